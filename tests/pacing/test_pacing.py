"""batcher's pacing uses the limits in ten situations, and is almost never refused."""

from dataclasses import replace

import pytest
from batcher_pacing import BatcherPacing
from profiles import (
    AT_RANDOM,
    HIDDEN_LIMITS,
    PROFILES,
    STEEP_GROWTH,
    Hidden,
    Limits,
    Profile,
    spaced,
)
from race import race
from world import latency_s

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


@pytest.mark.parametrize("profile", HIDDEN_LIMITS, ids=lambda profile: profile.name)
@pytest.mark.parametrize("seed", range(2))
def test_a_limit_that_no_header_tells_is_learned(profile: Profile, seed: int) -> None:
    """At least 95 % of the rate after ten seconds, and few refusals, whatever the headers tell."""
    result = race("batcher", BatcherPacing, profile, seed)
    assert result.efficiency >= 0.95
    assert result.refusals < 0.01
    assert result.given_up == 0


@pytest.mark.parametrize("headers_show", ["levels", "plenty", "plenty until refused", "nothing"])
@pytest.mark.parametrize("seed", range(20))
def test_a_burst_is_learned_and_used(headers_show: str, seed: int) -> None:
    """20 a second with a burst of 20: 289 rows take at most 15 s, and 14 are needed."""
    profile = spaced("", headers_show, 20, slowness=0.08)
    result = race("batcher", BatcherPacing, replace(profile, warm_up_s=0, jobs=289), seed)
    assert result.successes == 289
    assert result.ended_s <= 15.1
    assert result.refused < 10


@pytest.mark.parametrize("headers_show", ["plenty", "nothing"])
@pytest.mark.parametrize("seed", range(5))
def test_one_request_a_second_is_learned(headers_show: str, seed: int) -> None:
    """60 rows take hardly more than the 60 s that they need, also when no header helps."""
    profile = spaced("", headers_show, slowness=0.08, limits=Limits(60, 4_000_000, 800_000))
    profile = replace(profile, hidden=Hidden(60, 1), warm_up_s=0, jobs=60)
    result = race("batcher", BatcherPacing, profile, seed)
    assert result.ended_s <= 60 / 0.89
    assert result.refused <= 10


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(
            profile, id=profile.name, marks=() if profile is AT_RANDOM[1] else pytest.mark.slow
        )
        for profile in AT_RANDOM
    ],
)
def test_refusals_at_random_are_not_taken_for_a_limit(profile: Profile) -> None:
    """Attempts take every place in the window: at least 90 % of what is possible."""
    for seed in range(3):
        result = race("batcher", BatcherPacing, profile, seed)
        possible = profile.concurrency / latency_s(profile)
        assert result.successes >= 0.9 * possible * (profile.duration_s - profile.warm_up_s)
        assert result.refusals < 1.2 * profile.refused_share + 0.05


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.3])
def test_a_known_limit_is_used_although_some_are_refused_at_random(share: float) -> None:
    """The headers tell the limit, and the other refusals are not taken for another one."""
    profile = replace(PROFILES[0], duration_s=240, warm_up_s=120, refused_share=share)
    result = race("batcher", BatcherPacing, profile)
    assert result.efficiency >= 0.95


@pytest.mark.parametrize(
    ("shown", "enforced", "least"),
    [
        pytest.param(60, 60, 0.95, id="one a second"),
        pytest.param(1_200, 300, 0.8, id="a quarter of what is shown"),
        pytest.param(60_000, 300, 0.8, id="far less than is shown"),
    ],
)
def test_headers_that_tell_too_much_are_corrected(shown: int, enforced: int, least: float) -> None:
    """The rate is found below the one that the headers tell, with at most 15 refusals."""
    profile = spaced("", "plenty until refused", limits=Limits(shown, 40_000_000, 8_000_000))
    result = race("batcher", BatcherPacing, replace(profile, hidden=Hidden(enforced, 1)))
    assert result.efficiency >= least
    assert result.refused <= 15


def test_growth_that_is_limited_to_a_half_is_seldom_refused() -> None:
    """Under 3 % refused where ten seconds admit 1.5 times the busiest ten of the minute before."""
    result = race("batcher", BatcherPacing, replace(STEEP_GROWTH, duration_s=240, warm_up_s=180))
    assert result.refusals < 0.03
    assert result.efficiency > 0.5


def test_the_same_seed_gives_the_same_run() -> None:
    """The pacing uses no clock and no random numbers but the given ones."""
    first, second = (race("batcher", BatcherPacing, PROFILES[9], seed=3) for _ in range(2))
    assert first == second
