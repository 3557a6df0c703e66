"""The model of durations: a distribution, whatever the history."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.batches.durations import DAY_S, Durations

HISTORY = st.lists(st.tuples(st.integers(1, 100_000), st.floats(0, 90_000)), max_size=20)
AGE = st.floats(0, DAY_S)


@given(HISTORY, st.integers(1, 100_000), AGE, AGE, AGE)
def test_it_is_a_distribution(
    history: list[tuple[int, float]], requests: int, first: float, second: float, third: float
) -> None:
    """Chances are between 0 and 1 and grow with time; none ends at once, all by the day."""
    durations = Durations.learnt(history)
    low, middle, high = sorted((first, second, third))
    assert 0 <= durations.done_by(requests, low) <= durations.done_by(requests, high) <= 1
    soon, later = (durations.chance(requests, low, until) for until in (middle, high))
    assert 0 <= soon <= later <= 1
    assert durations.done_by(requests, 60) == 0
    assert durations.done_by(requests, DAY_S) == 1
    assert durations.chance(requests, high, low) == 0


@given(HISTORY, st.integers(1, 100_000), st.floats(0.01, 0.99), st.floats(0, 80_000))
def test_an_age_has_its_chance(
    history: list[tuple[int, float]], requests: int, share: float, age_s: float
) -> None:
    """``age_at`` is the inverse of ``chance``, except where batches expire."""
    durations = Durations.learnt(history)
    at_s = durations.age_at(requests, share, age_s)
    assert age_s <= at_s <= DAY_S
    if at_s < DAY_S:
        assert durations.chance(requests, age_s, at_s) == pytest.approx(share, abs=1e-6)


def test_the_prior_is_as_reported() -> None:
    """Most batches end in less than an hour, small ones in minutes, a few not in eight hours."""
    prior = Durations()
    assert 0.6 < prior.done_by(10_000, 3_600) < 0.8
    assert prior.done_by(10, 300) > 0.7
    assert 0.02 < 1 - prior.done_by(10_000, 8 * 3_600) < 0.1


def test_an_old_batch_ends_less_soon() -> None:
    """The tail is heavy: after hours, the next hour brings less than the first one did."""
    prior = Durations()
    assert prior.chance(10_000, 20_000, 23_600) < prior.chance(10_000, 0, 3_600) / 2


@pytest.mark.parametrize("median_s", [120.0, 900.0, 7_200.0, 30_000.0])
def test_it_learns_from_the_job(median_s: float) -> None:
    """After thirty batches the model's median is near theirs."""
    draws = random.Random(7)
    history = [(20_000, 60 + median_s * draws.lognormvariate(0, 0.8)) for _ in range(30)]
    learnt = Durations.learnt(history)
    assert median_s / 1.7 < learnt.age_at(20_000, 0.5) < median_s * 1.7 + 60


def test_expired_batches_are_expected_again() -> None:
    """A job whose batches expire expects it of the next one."""
    learnt = Durations.learnt([(10_000, DAY_S)] * 9 + [(10_000, 1_000.0)])
    assert learnt.done_by(10_000, DAY_S - 1) < 0.5
