"""Errands of one prefix come together, none is lost, and little is held."""

import statistics
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.core.money.bound import WorstCase
from batcher.runner.sending.feed import PendingRequest
from batcher.runner.sending.group_by_prefix import WINDOW_BYTES, PrefixGrouping, common_ends


@dataclass(frozen=True, slots=True)
class Asked:
    """The smallest thing that can be gathered."""

    number: int
    prefixes: tuple[bytes, ...]
    body: bytes

    def with_body(self, body: bytes) -> "Asked":
        """Copy it."""
        return replace(self, body=body)


def asked(groups: list[int | None], shared: int = 5) -> list[Asked]:
    """One for each number of a group, or for None one without a group."""
    return [
        Asked(
            number,
            () if group is None else (b"%d" % group,),
            b"<%d>" % (group or 0) * shared + b"own %d" % number + b"</%d>" % (group or 0),
        )
        for number, group in enumerate(groups)
    ]


def gathering_of(ahead: int, window: int, size: int = 1, most_bytes: int = WINDOW_BYTES) -> Any:
    """A new one; ``ahead`` stays the same."""
    return PrefixGrouping[Any](lambda: ahead, window, size, most_bytes)


def gathered(
    pending_requests: list[Asked], ahead: int = 3, window: int = 10_000, size: int = 1
) -> list[Asked]:
    """All of them in their new order."""
    stream = gathering_of(ahead, window, size).run(pending_requests)
    return [pending for pending in stream if pending is not None]


GROUPS = st.lists(st.none() | st.integers(0, 9), max_size=80)


@settings(max_examples=300, deadline=None)
@given(GROUPS, st.integers(0, 20), st.integers(0, 30))
def test_none_is_lost_or_changed_and_a_group_keeps_its_order(
    groups: list[int | None], ahead: int, window: int
) -> None:
    """Whatever the window: each comes once, as it went in, after those of its group before it."""
    requests = asked(groups)
    found = gathered(requests, ahead, window)
    assert sorted(found, key=lambda pending: pending.number) == requests
    for group in {pending.prefixes for pending in requests}:
        numbers = [pending.number for pending in found if pending.prefixes == group]
        assert numbers == sorted(numbers)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=80), st.integers(0, 20))
def test_groups_come_together_behind_their_leaders(groups: list[int], ahead: int) -> None:
    """Between the followers of one group there are only leaders of others."""
    found = gathered(asked(groups), ahead)
    seen: set[bytes] = set()
    followers = []
    for pending in found:
        (group,) = pending.prefixes
        if group in seen:
            followers.append(group)
        seen.add(group)
    runs = [group for at, group in enumerate(followers) if at == 0 or followers[at - 1] != group]
    assert len(runs) == len(set(runs))


@pytest.mark.parametrize("is_ordered", [True, False], ids=["in order", "interleaved"])
@pytest.mark.parametrize("size", [20, 200])
def test_leaders_come_ahead_of_their_followers(size: int, is_ordered: bool) -> None:
    """By about as much as was asked for, but not much more: the entry must still be alive."""
    groups = [n // size if is_ordered else n % (10_000 // size) for n in range(10_000)]
    found = gathered(asked(groups), ahead=64, size=size)
    first: dict[bytes, int] = {}
    gaps = {}
    for at, pending in enumerate(found):
        (group,) = pending.prefixes
        if group in first:
            gaps.setdefault(group, at - first[group])
        first.setdefault(group, at)
    assert len(gaps) == 10_000 // size
    assert statistics.median(gaps.values()) > 40
    assert max(gaps.values()) < 64 + 2 * size + 10


def test_one_group_streams_through() -> None:
    """The first comes before a second has been read, whatever stands without a group between."""
    read = []

    def source() -> Iterator[Asked]:
        for pending in asked([1, None, 1, 1]):
            read.append(pending)
            yield pending

    stream = gathering_of(3, 100).run(source())
    for number in range(4):
        assert next(stream) == read[-1]
        assert len(read) == number + 1


def test_leaders_do_not_wait_for_the_window() -> None:
    """Workers have something to do while it fills."""
    stream = gathering_of(3, 100).run(asked([0, 1, 2, 3]))
    numbers = [None if pending is None else pending.number for pending in stream]
    assert numbers == [0, 1, None, 2, None, 3, None]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 30), max_size=200), st.integers(0, 10), st.integers(2, 20))
def test_the_window_bounds_what_is_held(groups: list[int], ahead: int, window: int) -> None:
    """By number, and by bytes."""
    grouping = gathering_of(ahead, window, most_bytes=20_000)
    for pending in grouping.run(asked(groups)):
        if pending is not None:
            assert grouping.held <= window + 2 * ahead + 1
            assert grouping.held_bytes <= 20_000 + 2 * 1_000
    assert (grouping.held, grouping.held_bytes) == (0, 0)


def test_what_a_group_shares_is_held_once() -> None:
    """Questions about the same document take their own bytes only, and the count is honest."""
    document = b"d" * 50_000

    def source() -> Iterator[PendingRequest]:
        for number in range(4_000):
            group = number % 200
            body = document + b"%d" % group + b"question %d" % number + document
            prefixes = (b"system".rjust(16), b"%16d" % group)
            name = number.to_bytes(16, "big")
            worst = WorstCase(Decimal(number), 5)
            yield PendingRequest(number, name, "m", 5, body, worst, 0, prefixes)

    tracemalloc.start()
    grouping = gathering_of(64, 50_000, 20)
    most = held = 0
    for pending in grouping.run(source()):
        if pending is None and grouping.held > held:
            held, most = grouping.held, grouping.held_bytes
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held > 3_500
    assert most < 30 << 20
    assert peak < most * 1.1 + (2 << 20)


def test_a_wide_group_comes_in_parts() -> None:
    """When the window is full the oldest group goes, and its rest comes later."""
    groups = [n % 100 for n in range(1_000)]
    found = gathered(asked(groups), ahead=5, window=300)
    assert Counter(pending.number for pending in found) == Counter(range(1_000))
    changes = sum(one.prefixes != other.prefixes for one, other in pairwise(found))
    assert changes < 700


@settings(deadline=None)
@given(
    st.binary(max_size=20), st.binary(max_size=20), st.binary(max_size=20), st.binary(max_size=20)
)
def test_common_ends(start: bytes, one: bytes, other: bytes, end: bytes) -> None:
    """As long as can be, and without overlap."""
    body, pattern = start + one + end, start + other + end
    first, last = common_ends(body, pattern)
    assert first >= len(start)
    assert first + last >= min(len(start) + len(end), len(body), len(pattern))
    assert first + last <= min(len(body), len(pattern))
    assert pattern[:first] + body[first : len(body) - last] + pattern[len(pattern) - last :] == body
