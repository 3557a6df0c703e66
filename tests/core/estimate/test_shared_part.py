"""The slope of real over estimated prompts shows the error of the shared part."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.estimate.shared_part import BIAS_SIGMA, shared_part_bias

SHARED = 1_000.0


def pairs(
    of_shared: float, of_rest: float, number: int = 200, noise: float = 0.0
) -> list[tuple[float, int]]:
    """Return rows whose shared part and rest have different estimation errors."""
    random = Random(1)
    owns = [random.uniform(100, 900) for _ in range(number)]
    return [
        (SHARED + own, round(SHARED * of_shared + own * of_rest * (1 + random.gauss(0, noise))))
        for own in owns
    ]


def part(found: list[tuple[float, int]]) -> float:
    """Return the share of the estimated prompts that is shared."""
    return SHARED * len(found) / sum(x for x, _ in found)


@given(st.floats(0.8, 1.25), st.floats(0.8, 1.25))
def test_the_slope_separates_both_errors(of_shared: float, of_rest: float) -> None:
    """Without noise the difference is found, with little uncertainty."""
    found = pairs(of_shared, of_rest)
    ratio = sum(p for _, p in found) / sum(x for x, _ in found)
    mean, deviation = shared_part_bias(found, part(found))
    assert mean == pytest.approx((of_shared - of_rest) / ratio, abs=0.01)
    assert deviation < BIAS_SIGMA / 3


def test_noise_increases_the_uncertainty() -> None:
    """With more noise the uncertainty approaches the assumption without data."""
    sigmas = [
        shared_part_bias(found, part(found))[1]
        for noise in (0.0, 0.3, 3.0)
        for found in [pairs(1.0, 1.0, 40, noise)]
    ]
    assert sigmas == sorted(sigmas)
    assert BIAS_SIGMA / 2 < sigmas[-1] <= BIAS_SIGMA


def test_prompts_billed_twice_or_never_are_ignored() -> None:
    """They do not change the result."""
    found = pairs(1.1, 0.9)
    x, p = found[0]
    odd = [(x, 2 * p), (x, 0)]
    assert shared_part_bias([*found, *odd], part(found)) == shared_part_bias(found, part(found))


@pytest.mark.parametrize("found", [[], [(10.0, 0)] * 20, [(10.0, 12)] * 20, pairs(1.0, 1.2, 9)])
def test_without_different_lengths_the_assumption_stays(found: list[tuple[float, int]]) -> None:
    """Few rows, or rows of the same length, give the assumption without data."""
    assert shared_part_bias(found, 0.5) == (0.0, BIAS_SIGMA)
