"""Requests with one prefix come together, none is lost, and memory is bounded."""

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
class FakeRequest:
    """A request with only the fields that grouping needs."""

    number: int
    prefixes: tuple[bytes, ...]
    body: bytes

    def with_body(self, body: bytes) -> "FakeRequest":
        """Return a copy with another body."""
        return replace(self, body=body)


def requests_of(groups: list[int | None], shared: int = 5) -> list[FakeRequest]:
    """Return one request for each group number; None makes a request without a group."""
    return [
        FakeRequest(
            number,
            () if group is None else (b"%d" % group,),
            b"<%d>" % (group or 0) * shared + b"only %d" % number + b"</%d>" % (group or 0),
        )
        for number, group in enumerate(groups)
    ]


def grouping_of(ahead: int, window: int, size: int = 1, most_bytes: int = WINDOW_BYTES) -> Any:
    """Return a new PrefixGrouping with a fixed ``ahead``."""
    return PrefixGrouping[Any](lambda: ahead, window, size, most_bytes)


def grouped(
    requests: list[FakeRequest], ahead: int = 3, window: int = 10_000, size: int = 1
) -> list[FakeRequest]:
    """Return the requests in their new order."""
    stream = grouping_of(ahead, window, size).run(requests)
    return [pending for pending in stream if pending is not None]


GROUPS = st.lists(st.none() | st.integers(0, 9), max_size=80)


@settings(max_examples=300, deadline=None)
@given(GROUPS, st.integers(0, 20), st.integers(0, 30))
def test_none_is_lost_or_changed_and_a_group_keeps_its_order(
    groups: list[int | None], ahead: int, window: int
) -> None:
    """With any window, each request comes once and unchanged, in the order of its group."""
    requests = requests_of(groups)
    reordered = grouped(requests, ahead, window)
    assert sorted(reordered, key=lambda pending: pending.number) == requests
    for group in {pending.prefixes for pending in requests}:
        numbers = [pending.number for pending in reordered if pending.prefixes == group]
        assert numbers == sorted(numbers)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=80), st.integers(0, 20))
def test_groups_come_together_behind_their_leaders(groups: list[int], ahead: int) -> None:
    """Between the followers of one group there are only leaders of other groups."""
    reordered = grouped(requests_of(groups), ahead)
    led: set[bytes] = set()
    followers = []
    for pending in reordered:
        (group,) = pending.prefixes
        if group in led:
            followers.append(group)
        led.add(group)
    runs = [group for at, group in enumerate(followers) if at == 0 or followers[at - 1] != group]
    assert len(runs) == len(set(runs))


@pytest.mark.parametrize("is_ordered", [True, False], ids=["in order", "interleaved"])
@pytest.mark.parametrize("size", [20, 200])
def test_leaders_come_ahead_of_their_followers(size: int, is_ordered: bool) -> None:
    """A leader comes about ``ahead`` requests early, and not much more, or its entry expires."""
    groups = [n // size if is_ordered else n % (10_000 // size) for n in range(10_000)]
    reordered = grouped(requests_of(groups), ahead=64, size=size)
    first: dict[bytes, int] = {}
    gaps = {}
    for at, pending in enumerate(reordered):
        (group,) = pending.prefixes
        if group in first:
            gaps.setdefault(group, at - first[group])
        first.setdefault(group, at)
    assert len(gaps) == 10_000 // size
    assert statistics.median(gaps.values()) > 40
    assert max(gaps.values()) < 64 + 2 * size + 10


def test_one_group_streams_through() -> None:
    """With one group, each request comes before the next is read, with or without a group."""
    read = []

    def source() -> Iterator[FakeRequest]:
        for pending in requests_of([1, None, 1, 1]):
            read.append(pending)
            yield pending

    stream = grouping_of(3, 100).run(source())
    for number in range(4):
        assert next(stream) == read[-1]
        assert len(read) == number + 1


def test_leaders_do_not_wait_for_the_window() -> None:
    """Leaders come at once, so that workers can send while the window fills."""
    stream = grouping_of(3, 100).run(requests_of([0, 1, 2, 3]))
    numbers = [None if pending is None else pending.number for pending in stream]
    assert numbers == [0, 1, None, 2, None, 3, None]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 30), max_size=200), st.integers(0, 10), st.integers(2, 20))
def test_the_window_bounds_the_memory(groups: list[int], ahead: int, window: int) -> None:
    """The window bounds the number of requests in memory, and their bytes."""
    grouping = grouping_of(ahead, window, most_bytes=20_000)
    for pending in grouping.run(requests_of(groups)):
        if pending is not None:
            assert grouping.held <= window + 2 * ahead + 1
            assert grouping.held_bytes <= 20_000 + 2 * 1_000
    assert (grouping.held, grouping.held_bytes) == (0, 0)


def test_the_shared_bytes_of_a_group_are_kept_once() -> None:
    """Requests about one document add only their own bytes, and ``held_bytes`` is correct."""
    document = b"d" * 50_000

    def source() -> Iterator[PendingRequest]:
        for number in range(4_000):
            group = number % 200
            body = document + b"%d" % group + b"question %d" % number + document
            prefixes = (b"system".rjust(16), b"%16d" % group)
            fingerprint = number.to_bytes(16, "big")
            worst = WorstCase(Decimal(number), 5)
            yield PendingRequest(number, fingerprint, "m", 5, body, worst, 0, prefixes)

    tracemalloc.start()
    grouping = grouping_of(64, 50_000, 20)
    held_bytes = held = 0
    for pending in grouping.run(source()):
        if pending is None and grouping.held > held:
            held, held_bytes = grouping.held, grouping.held_bytes
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held > 3_500
    assert held_bytes < 30 << 20
    assert peak < held_bytes * 1.1 + (2 << 20)


def test_a_wide_group_comes_in_parts() -> None:
    """When the window is full, the oldest group is sent and the rest of it comes later."""
    groups = [n % 100 for n in range(1_000)]
    reordered = grouped(requests_of(groups), ahead=5, window=300)
    assert Counter(pending.number for pending in reordered) == Counter(range(1_000))
    changes = sum(before.prefixes != after.prefixes for before, after in pairwise(reordered))
    assert changes < 700


@settings(deadline=None)
@given(
    st.binary(max_size=20), st.binary(max_size=20), st.binary(max_size=20), st.binary(max_size=20)
)
def test_common_ends(start: bytes, middle: bytes, other_middle: bytes, end: bytes) -> None:
    """The common start and end are as long as possible and do not overlap."""
    body, pattern = start + middle + end, start + other_middle + end
    first, last = common_ends(body, pattern)
    assert first >= len(start)
    assert first + last >= min(len(start) + len(end), len(body), len(pattern))
    assert first + last <= min(len(body), len(pattern))
    assert pattern[:first] + body[first : len(body) - last] + pattern[len(pattern) - last :] == body
