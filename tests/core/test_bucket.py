"""The token bucket never lets more through than its rate, and loses nothing."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from batcher.core.pace.bucket import TokenBucket

# (seconds since the caller before, units)
CALLS = st.lists(st.tuples(st.floats(0, 30), st.floats(0.1, 200)), min_size=1, max_size=40)
RATES = st.integers(1, 100_000)


def admissions(rate: int, calls: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Play calls through a bucket; returns (when admitted, units)."""
    now = 0.0
    bucket = TokenBucket.full(rate, now)
    admitted = []
    for pause, units in calls:
        now += pause
        admitted.append((now + bucket.take(units, now), units))
    return admitted


@given(RATES, CALLS)
def test_no_window_admits_more_than_the_limit(rate: int, calls: list[tuple[float, float]]) -> None:
    """Between any two admissions fit the burst (or one larger taker) and what was refilled."""
    admitted = admissions(rate, calls)
    burst = TokenBucket.full(rate, 0).burst
    for first, (start, opening) in enumerate(admitted):
        used = 0.0
        for end, units in admitted[first:]:
            used += units
            most = max(burst, opening) + (end - start) * rate / 60
            assert used <= most * (1 + 1e-9) + 1e-6


@given(RATES, CALLS)
def test_callers_are_served_in_order(rate: int, calls: list[tuple[float, float]]) -> None:
    """Nobody overtakes: admission times never go back."""
    times = [when for when, _ in admissions(rate, calls)]
    assert all(later >= earlier - 1e-6 for earlier, later in pairwise(times))


@given(RATES, st.integers(2, 60))
def test_nothing_is_lost(rate: int, callers: int) -> None:
    """Whoever asks all the time gets the whole rate, not less."""
    admitted = admissions(rate, [(0.0, 10.0)] * callers)
    burst = TokenBucket.full(rate, 0).burst
    exact = max(0.0, (10.0 * callers - burst) * 60 / rate)
    assert abs(admitted[-1][0] - exact) < 1e-6 * max(1.0, exact)


def test_a_long_pause_saves_up_no_more_than_the_burst() -> None:
    """A limit of 600 a minute lets 10 go at once after an hour, not 36,000."""
    bucket = TokenBucket.full(600, 0.0)
    bucket.take(10, 0.0)
    assert [bucket.take(1, 3600.0) for _ in range(11)] == [0.0] * 10 + [0.1]


def test_what_was_not_used_comes_back() -> None:
    """A correction shortens the wait of the next, up to the burst and no further."""
    bucket = TokenBucket.full(60, 0.0)
    assert bucket.take(31, 0.0) == 30.0
    bucket.give_back(30, 0.0)
    assert bucket.take(1, 0.0) == 1.0
    bucket.give_back(1000, 0.0)
    assert bucket.level == bucket.burst


def test_what_was_used_beyond_the_estimate_is_owed() -> None:
    """A negative correction makes the next wait."""
    bucket = TokenBucket.full(60, 0.0)
    bucket.give_back(-5, 0.0)
    assert bucket.take(1, 0.0) == 5.0


def test_the_burst_is_one_second_and_at_least_one() -> None:
    """So a small limit still lets single requests through."""
    assert TokenBucket.full(6, 0.0).burst == 1.0
    assert TokenBucket.full(6_000, 0.0).burst == 100.0
