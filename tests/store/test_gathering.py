"""When a commit is due: what waits shares it, and nothing waits longer than is promised."""

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_records import intent, outcome

from batcher.store.gathering import GROUP_BYTES, GROUP_RECORDS, GROUP_S, Addition, Gathering

TABLES = st.sampled_from(["attempts", "outcomes", "settled"])


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def added(table: str, number: int = 1, body: bytes = b"") -> list[Addition]:
    """Records that came together."""
    record = outcome(1, body=body) if table == "outcomes" else intent(1)
    return [Addition(table, record, cast("Any", None)) for _ in range(number)]


def gathering(may_wait_s: float = 0.0, clock: Clock | None = None) -> tuple[Gathering, Clock]:
    """A gathering with a clock of its own; its commits take no time."""
    clock = clock or Clock()
    return Gathering(lambda: may_wait_s, clock, Clock(), Clock()), clock


def test_an_attempt_waits_as_long_as_it_may() -> None:
    """Its request waits for the commit; what else waits goes with it."""
    group, clock = gathering(may_wait_s=0.03)
    assert group.wait_s() is None
    group.add(added("outcomes"))
    clock.now += 0.01
    group.add(added("attempts"))
    assert group.wait_s() == pytest.approx(0.03)
    clock.now += 0.01
    group.add(added("attempts"))
    assert group.wait_s() == pytest.approx(0.02)
    assert [addition.table for addition in group.take()] == ["outcomes", "attempts", "attempts"]
    assert group.wait_s() is None


@pytest.mark.parametrize(("number", "wait_s"), [(1, GROUP_S), (63, GROUP_S), (64, 0.0)])
def test_few_outcomes_wait_for_an_attempt(number: int, wait_s: float) -> None:
    """64 outcomes at most are at risk without a commit under way, and for 0.1 s at most."""
    group, clock = gathering()
    for _ in range(number):
        group.add(added("outcomes"))
    assert group.wait_s() == pytest.approx(wait_s)
    clock.now += GROUP_S
    assert group.wait_s() == 0.0


@pytest.mark.parametrize(("used_s", "pause_s"), [(0.0, 0.0), (1.0, 0.04), (2.0, 0.08), (8.0, 0.08)])
def test_a_busy_process_commits_less_often(used_s: float, pause_s: float) -> None:
    """The pause after a commit of 20 ms is four times as long when the process uses a processor."""
    clock, thread, process = Clock(), Clock(), Clock()
    group = Gathering(lambda: 0.0, clock, thread, process)
    group.committed()
    group.add(added("attempts"))
    group.take()
    clock.now += 2.0
    thread.now += 0.02
    process.now += used_s
    group.committed()
    group.add(added("attempts"))
    assert group.wait_s() == pytest.approx(pause_s)
    group.add(added("attempts", GROUP_RECORDS))
    assert group.wait_s() == 0.0


def test_large_bodies_are_split() -> None:
    """A commit holds 8 MiB and the body that goes over them, so that memory is bounded."""
    group, _ = gathering()
    group.add(added("outcomes", 5, bytes(GROUP_BYTES // 2)))
    assert group.wait_s() == 0.0
    assert [len(group.take()) for _ in range(3)] == [2, 2, 1]
    assert group.is_empty


@given(st.lists(st.lists(TABLES, min_size=1, max_size=900), max_size=8))
def test_a_record_is_taken_once_and_in_order(arrivals: list[list[str]]) -> None:
    """Groups are as long as they may be, and together they are what was added."""
    group, _ = gathering()
    every = [addition for tables in arrivals for table in tables for addition in added(table)]
    if every:
        group.add(every)
    taken = []
    while not group.is_empty:
        taken.append(group.take())
        assert group.is_empty or group.wait_s() == 0.0
    assert [addition for part in taken for addition in part] == every
    assert all(len(part) == GROUP_RECORDS for part in taken[:-1])
