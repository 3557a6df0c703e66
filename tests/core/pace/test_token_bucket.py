"""The token bucket never admits more than its rate, and wastes none of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.pace.token_bucket import TokenBucket

# (seconds since the call before, units)
CALLS = st.lists(st.tuples(st.floats(0, 30), st.floats(0.1, 200)), min_size=1, max_size=40)
RATES = st.integers(1, 100_000)


def admissions(rate: int, calls: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Pass calls through a bucket, one after the other; return (when admitted, units)."""
    now = 0.0
    bucket = TokenBucket.full(rate, now)
    admitted = []
    for pause, units in calls:
        now += pause
        now += bucket.wait_s(units, now)
        bucket.take(units)
        admitted.append((now, units))
    return admitted


@given(RATES, CALLS)
def test_no_window_admits_more_than_the_limit(rate: int, calls: list[tuple[float, float]]) -> None:
    """Between any two admissions at most the capacity and the refill are taken.

    The last call may take more than the capacity: it is admitted when the bucket is full.
    """
    admitted = admissions(rate, calls)
    capacity = TokenBucket.full(rate, 0).capacity
    for first, (start, _) in enumerate(admitted):
        used = 0.0
        for end, units in admitted[first:]:
            limit = capacity + (end - start) * rate / 60 + max(0.0, units - capacity)
            used += units
            assert used <= limit * (1 + 1e-9) + 1e-6


@given(RATES, st.integers(2, 60))
def test_no_refill_is_wasted(rate: int, callers: int) -> None:
    """Calls without pauses get the whole rate: each waits for the refill that it needs."""
    admitted = admissions(rate, [(0.0, 10.0)] * callers)
    capacity = TokenBucket.full(rate, 0).capacity
    exact = max(0.0, (10.0 * (callers - 1) + min(10.0, capacity) - capacity) * 60 / rate)
    assert admitted[-1][0] == pytest.approx(exact, rel=1e-6, abs=1e-6)


def test_a_long_pause_saves_no_more_than_the_capacity() -> None:
    """A limit of 600 a minute admits 10 at once after an hour, not 36,000."""
    bucket = TokenBucket.full(600, 0.0)
    assert bucket.take(10) == 0.0
    waits = []
    for _ in range(11):
        waits.append(bucket.wait_s(1, 3600.0))
        bucket.take(1)
    assert waits == [0.0] * 10 + [0.1]


def test_unused_units_are_given_back() -> None:
    """A correction shortens the next wait; the level stays within the capacity."""
    bucket = TokenBucket.full(60, 0.0)
    bucket.take(31)
    assert bucket.wait_s(1, 0.0) == 31.0
    bucket.give_back(30, 0.0)
    assert bucket.wait_s(1, 0.0) == 1.0
    bucket.give_back(1000, 0.0)
    assert bucket.level == bucket.capacity


def test_units_used_beyond_the_estimate_are_a_debt() -> None:
    """A negative correction makes the next call wait."""
    bucket = TokenBucket.full(60, 0.0)
    bucket.give_back(-5, 0.0)
    assert bucket.wait_s(1, 0.0) == 5.0


def test_a_bucket_holds_one_second_and_at_least_one_unit() -> None:
    """A small limit still admits single requests."""
    assert TokenBucket.full(6, 0.0).capacity == 1.0
    assert TokenBucket.full(6_000, 0.0).capacity == 100.0
