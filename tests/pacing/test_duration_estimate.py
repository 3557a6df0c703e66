"""The estimated duration of a run, compared with a simulated run."""

from dataclasses import replace
from random import Random

import pytest
from batcher_pacing import BatcherPacing
from profiles import BUILD, SCALE, SMALL, START, Profile, Sizes
from race import CLOCK_START, Run
from world import FIRST_TOKEN_S, TOKENS_PER_SECOND

from batcher.core.estimate.duration import Work, duration
from batcher.core.pace.kinds import Amounts, Kind, KnownLimit, Limiter

CASES = {
    "requests": (Profile("", START, SMALL), Limiter.REQUESTS),
    "input tokens": (Profile("", BUILD, Sizes(2_400, 150)), Limiter.INPUT),
    "output tokens": (Profile("", SCALE, Sizes(500, 450), concurrency=1_000), Limiter.OUTPUT),
    "concurrency": (Profile("", SCALE, Sizes(500, 450), concurrency=32), Limiter.CONCURRENCY),
    "a second's burst": (Profile("", START, SMALL, burst=1 / 60), Limiter.REQUESTS),
    "heavy-tailed rows": (
        Profile("", START, Sizes(2_800, 200, input_sigma=1.3, output_sigma=1.0)),
        Limiter.INPUT,
    ),
}


def simulated_s(profile: Profile, jobs: int) -> float:
    """Return how long batcher's pacing takes for ``jobs`` rows."""
    supply = replace(profile, jobs=jobs, duration_s=100_000, warm_up_s=0)
    run = Run(BatcherPacing(supply.known, Random("strategy"), CLOCK_START), supply, seed=0)
    run.finish()
    return run.result("").ended_s


LONG = [pytest.param(case, 12_000, marks=pytest.mark.slow) for case in CASES if case != "requests"]


@pytest.mark.parametrize(
    ("case", "jobs"),
    [*((case, jobs) for case in CASES for jobs in (500, 3_000)), ("requests", 12_000), *LONG],
)
def test_a_run_takes_as_long_as_estimated(case: str, jobs: int) -> None:
    """The estimate is within 15 % for six kinds of limits, and names the limit."""
    profile, limiter = CASES[case]
    _, tokens_in, tokens_out = profile.sizes.uses
    latency_s = FIRST_TOKEN_S + tokens_out / TOKENS_PER_SECOND
    random = Random("sizes")
    longest = sorted(profile.sizes.draw(0, random).output_tokens for _ in range(2_000))[-20]
    slowest_s = FIRST_TOKEN_S + longest / TOKENS_PER_SECOND
    each = Amounts(tokens_in, tokens_out)
    work = Work(jobs, each, latency_s, slowest_s, profile.concurrency)
    limits = {
        kind: KnownLimit(per_minute, per_minute * profile.burst)
        for kind, per_minute in zip(
            (Kind.REQUESTS, Kind.INPUT, Kind.OUTPUT),
            (profile.limits.requests, profile.limits.input_tokens, profile.limits.output_tokens),
            strict=True,
        )
    }
    estimate = duration(work, limits)
    simulated = simulated_s(profile, jobs)
    assert estimate.seconds == pytest.approx(simulated, rel=0.15)
    if jobs == 12_000:
        assert estimate.limiter is limiter
