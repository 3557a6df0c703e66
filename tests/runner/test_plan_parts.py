"""Parts of a plan have each of its requests once."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from batcher.runner.planning.parts import divided, live_part, split, within, without


@dataclass(frozen=True)
class Counts:
    """The only count that parts change."""

    to_send: int = 0


@dataclass(frozen=True)
class SomePlan:
    """What parts need of a plan."""

    to_send: bytearray
    live_items: tuple[int, ...] = ()
    counts: Counts = field(default_factory=Counts)


MARKS = st.lists(st.sampled_from([0, 0, 1, 2, 255]), max_size=40).map(bytearray)


def plan(marks: bytearray, live: tuple[int, ...] = ()) -> Any:
    """Return a plan with these marks."""
    return SomePlan(marks, live)


@given(MARKS, st.integers(0, 45))
def test_a_split_takes_the_first_requests(marks: bytearray, number: int) -> None:
    """In order, as many as there are; both parts together are the plan."""
    first, rest = split(plan(marks), number)
    sent = [item for item, mark in enumerate(marks) if mark]
    assert [item for item, mark in enumerate(first.to_send) if mark] == sent[:number]
    assert [item for item, mark in enumerate(rest.to_send) if mark] == sent[number:]
    assert bytearray(map(max, first.to_send, rest.to_send)) == marks
    assert first.counts.to_send + rest.counts.to_send == len(sent)


@given(MARKS, st.data())
def test_divided_within_and_without(marks: bytearray, data: st.DataObject) -> None:
    """Chosen items, requests that two plans share, and those that only one has."""
    chosen = data.draw(st.sets(st.integers(0, len(marks) - 1))) if marks else set()
    part, rest = divided(plan(marks), chosen)
    assert part.to_send == bytearray(m if i in chosen else 0 for i, m in enumerate(marks))
    assert rest.to_send == bytearray(0 if i in chosen else m for i, m in enumerate(marks))
    others = data.draw(st.lists(st.integers(0, 3), min_size=len(marks), max_size=len(marks)))
    other = plan(bytearray(others))
    shared = [m if o else 0 for m, o in zip(marks, others, strict=True)]
    assert list(within(plan(marks), other).to_send) == shared
    only = [0 if o else m for m, o in zip(marks, others, strict=True)]
    assert list(without(plan(marks), other).to_send) == only


@given(MARKS, st.integers(0, 45), st.data())
def test_what_goes_live(marks: bytearray, number: int, data: st.DataObject) -> None:
    """What a batch refuses, and a number of the others."""
    live = data.draw(st.sets(st.integers(0, len(marks) - 1))) if marks else set()
    part, rest = live_part(plan(marks, tuple(sorted(live))), number)
    only_live, others = divided(plan(marks), live)
    more, expected = split(others, number)
    assert part.to_send == bytearray(map(max, only_live.to_send, more.to_send))
    assert rest.to_send == expected.to_send
