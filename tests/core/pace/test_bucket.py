"""The token bucket never lets more through than its rate, and loses nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.pace.token_bucket import TokenBucket

# (seconds since the caller before, units)
CALLS = st.lists(st.tuples(st.floats(0, 30), st.floats(0.1, 200)), min_size=1, max_size=40)
RATES = st.integers(1, 100_000)


def admissions(rate: int, calls: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Play calls through a bucket, one after the other; returns (when admitted, units)."""
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
    """Between any two admissions fit what the bucket holds, what was refilled, and one more.

    The last one may be larger than the bucket: it is served when that is full, and owed.
    """
    admitted = admissions(rate, calls)
    capacity = TokenBucket.full(rate, 0).capacity
    for first, (start, _) in enumerate(admitted):
        used = 0.0
        for end, units in admitted[first:]:
            most = capacity + (end - start) * rate / 60 + max(0.0, units - capacity)
            used += units
            assert used <= most * (1 + 1e-9) + 1e-6


@given(RATES, st.integers(2, 60))
def test_nothing_is_lost(rate: int, callers: int) -> None:
    """Whoever asks all the time gets the whole rate: all but the last wait for what they take."""
    admitted = admissions(rate, [(0.0, 10.0)] * callers)
    capacity = TokenBucket.full(rate, 0).capacity
    exact = max(0.0, (10.0 * (callers - 1) + min(10.0, capacity) - capacity) * 60 / rate)
    assert admitted[-1][0] == pytest.approx(exact, rel=1e-6, abs=1e-6)


def test_a_long_pause_saves_up_no_more_than_it_holds() -> None:
    """A limit of 600 a minute lets 10 go at once after an hour, not 36,000."""
    bucket = TokenBucket.full(600, 0.0)
    assert bucket.take(10) == 0.0
    waits = []
    for _ in range(11):
        waits.append(bucket.wait_s(1, 3600.0))
        bucket.take(1)
    assert waits == [0.0] * 10 + [0.1]


def test_what_was_not_used_comes_back() -> None:
    """A correction shortens the wait of the next, up to what the bucket holds and no further."""
    bucket = TokenBucket.full(60, 0.0)
    bucket.take(31)
    assert bucket.wait_s(1, 0.0) == 31.0
    bucket.give_back(30, 0.0)
    assert bucket.wait_s(1, 0.0) == 1.0
    bucket.give_back(1000, 0.0)
    assert bucket.level == bucket.capacity


def test_what_was_used_beyond_the_estimate_is_owed() -> None:
    """A negative correction makes the next wait."""
    bucket = TokenBucket.full(60, 0.0)
    bucket.give_back(-5, 0.0)
    assert bucket.wait_s(1, 0.0) == 5.0


def test_a_bucket_holds_one_second_and_at_least_one() -> None:
    """So a small limit still lets single requests through."""
    assert TokenBucket.full(6, 0.0).capacity == 1.0
    assert TokenBucket.full(6_000, 0.0).capacity == 100.0
