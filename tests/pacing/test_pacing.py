"""batcher's pacing uses the limits in ten situations, and is almost never refused."""

import pytest
from batcher_pacing import BatcherPacing
from profiles import PROFILES, Profile
from race import race

LONG = {"2 input tokens, Build tier", "3 output tokens, Scale tier", "9 limited growth"}


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(
            profile, id=profile.name, marks=pytest.mark.slow if profile.name in LONG else ()
        )
        for profile in PROFILES
    ],
)
def test_the_limits_are_used_and_not_exceeded(profile: Profile) -> None:
    """At least 95 % of the allowed rate, under 1 % refused, no row given up."""
    result = race("batcher", BatcherPacing, profile)
    assert result.efficiency >= 0.95
    assert result.refusals < 0.01
    assert result.given_up == 0
    assert result.into_outage <= 100


def test_the_same_seed_gives_the_same_run() -> None:
    """The pacing uses no clock and no random numbers but the given ones."""
    first, second = (race("batcher", BatcherPacing, PROFILES[9], seed=3) for _ in range(2))
    assert first == second
