"""batcher's pacing holds the limits' pace in ten situations, and is almost never refused."""

import pytest
from ours import Ours
from profiles import PROFILES, Profile
from race import race

LONG = {"2 input tokens, Build tier", "3 output tokens, Scale tier", "9 limited growth"}


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(each, id=each.name, marks=pytest.mark.slow if each.name in LONG else ())
        for each in PROFILES
    ],
)
def test_the_limits_are_used_and_not_passed(profile: Profile) -> None:
    """At least 95 % of what is allowed, under 1 % refused, no row given up."""
    result = race("batcher", Ours, profile)
    assert result.efficiency >= 0.95
    assert result.refusals < 0.01
    assert result.given_up == 0
    assert result.into_outage <= 100


def test_the_same_seed_gives_the_same_run() -> None:
    """No clock and no chance but those handed in."""
    first, second = (race("batcher", Ours, PROFILES[9], seed=3) for _ in range(2))
    assert first == second
