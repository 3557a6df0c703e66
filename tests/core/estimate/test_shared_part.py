"""What the slope of real by estimated prompts tells of the part that they share."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.estimate.shared_part import BIAS_SIGMA, shared_part_bias

SHARED = 1_000.0


def pairs(
    of_shared: float, of_rest: float, number: int = 200, noise: float = 0.0
) -> list[tuple[float, int]]:
    """Rows of different lengths whose shared part and rest were estimated differently wrong."""
    random = Random(1)
    owns = [random.uniform(100, 900) for _ in range(number)]
    return [
        (SHARED + own, round(SHARED * of_shared + own * of_rest * (1 + random.gauss(0, noise))))
        for own in owns
    ]


def part(found: list[tuple[float, int]]) -> float:
    """What share of the estimated prompts is shared."""
    return SHARED * len(found) / sum(x for x, _ in found)


@given(st.floats(0.8, 1.25), st.floats(0.8, 1.25))
def test_the_slope_tells_both_apart(of_shared: float, of_rest: float) -> None:
    """Without noise it is found, and hardly in doubt."""
    found = pairs(of_shared, of_rest)
    ratio = sum(p for _, p in found) / sum(x for x, _ in found)
    mean, deviation = shared_part_bias(found, part(found))
    assert mean == pytest.approx((of_shared - of_rest) / ratio, abs=0.01)
    assert deviation < BIAS_SIGMA / 3


def test_noise_is_not_believed() -> None:
    """The noisier the rows, the nearer to what is taken for granted without them."""
    doubts = [
        shared_part_bias(found, part(found))[1]
        for noise in (0.0, 0.3, 3.0)
        for found in [pairs(1.0, 1.0, 40, noise)]
    ]
    assert doubts == sorted(doubts)
    assert BIAS_SIGMA / 2 < doubts[-1] <= BIAS_SIGMA


def test_prompts_billed_twice_or_never_tell_nothing() -> None:
    """They are left out."""
    found = pairs(1.1, 0.9)
    x, p = found[0]
    odd = [(x, 2 * p), (x, 0)]
    assert shared_part_bias([*found, *odd], part(found)) == shared_part_bias(found, part(found))


@pytest.mark.parametrize("found", [[], [(10.0, 0)] * 20, [(10.0, 12)] * 20, pairs(1.0, 1.2, 9)])
def test_without_different_lengths_nothing_is_learnt(found: list[tuple[float, int]]) -> None:
    """Few rows, or all alike: what is taken for granted."""
    assert shared_part_bias(found, 0.5) == (0.0, BIAS_SIGMA)
