"""The race counts correctly, and the models of the peers do what their docstrings say."""

# ruff: noqa: ARG002 - strategies have the signatures of the protocol

import math
from dataclasses import replace
from operator import itemgetter
from random import Random

import pytest
from peers import PEERS, Cookbook, Curator, FixedConcurrency, FixedRate, Inspect
from profiles import PROFILES, START, Profile, Span
from race import CLOCK_START, Result, race
from strategy import Job, Known, Reply


class Metronome:
    """Sends at even intervals and never retries."""

    def __init__(self, per_minute: float, start: float, first_s: float = 0.0) -> None:
        self._gap_s = 60 / per_minute
        self._start = start + first_s
        self._count = 0

    def admit(self, job: Job, now: float) -> float:
        """Send the n-th job n intervals after the start."""
        wait_s = self._start + self._count * self._gap_s - now
        if wait_s <= 0:
            self._count += 1
        return wait_s

    def on_reply(self, job: Job, reply: Reply, now: float) -> float | None:
        """Retry nothing."""
        return None


def metronome(profile: Profile, per_minute: float, first_s: float = 0.0) -> Result:
    """Return the result of a client that sends ``per_minute`` requests."""

    def factory(known: Known, random: Random, start: float) -> Metronome:
        return Metronome(per_minute, start, first_s)

    return race("metronome", factory, profile)


def test_a_client_exactly_at_the_limit_is_never_refused() -> None:
    """This holds even with a burst of one second; a client that is 2 % faster is refused."""
    profile = PROFILES[9]
    exact = metronome(profile, profile.limits.requests)
    assert (exact.refused, exact.sent) == (0, profile.limits.requests * profile.duration_s // 60)
    assert 0.99 < exact.efficiency <= 1.0
    assert metronome(profile, 1.02 * profile.limits.requests).refused > 0


def test_a_late_start_is_no_advantage() -> None:
    """A client that starts when counting starts has a full bucket, but no better efficiency."""
    profile = PROFILES[0]
    late = metronome(profile, 1_180, first_s=profile.warm_up_s)
    assert late.refused == 0
    assert late.successes > 1.15 * late.allowed
    assert 0.98 < late.efficiency <= 1.0


def test_a_second_client_leaves_the_rest() -> None:
    """With 30 and then 60 % taken, 70 and 40 % are allowed."""
    other = (Span(0, 150, 0.3), Span(150, 300, 0.6))
    profile = replace(PROFILES[4], duration_s=300, warm_up_s=100, other=other)
    result = race("64", FixedConcurrency, profile)
    assert result.allowed == pytest.approx(50 * 1_000 / 60 * 0.7 + 150 * 1_000 / 60 * 0.4)
    assert 0.9 < result.efficiency < 1.1


@pytest.mark.parametrize("name", PEERS)
def test_a_seed_determines_the_result(name: str) -> None:
    """The same seed gives exactly the same result, another seed another result."""
    profile = replace(PROFILES[4], duration_s=60, warm_up_s=20)
    first, again, other = (race(name, PEERS[name], profile, seed) for seed in (7, 7, 8))
    assert first == again
    assert first.completed != other.completed


def test_a_limited_supply_ends_with_its_last_row() -> None:
    """Every row ends once, after its retries, and then the race is over."""
    profile = replace(PROFILES[9], jobs=200, warm_up_s=0)
    result = race("inspect", Inspect, profile)
    assert (result.successes, result.given_up) == (200, 0)
    assert result.refused > 0
    assert result.ended_s < 60


@pytest.mark.parametrize("seed", range(5))
def test_the_race_counts_every_request(seed: int) -> None:
    """Without retries, all sent requests succeeded, were refused or are in flight."""
    profile = replace(PROFILES[9], duration_s=20, warm_up_s=0)

    def factory(known: Known, random: Random, start: float) -> Metronome:
        return Metronome(2_000, start)

    result = race("metronome", factory, profile, seed)
    in_flight = result.sent - result.successes - result.refused
    assert 0 <= in_flight <= result.max_in_flight
    assert result.given_up == result.refused
    assert result.attempts_per_success * result.successes == pytest.approx(result.sent - in_flight)


class Retrying(Metronome):
    """A metronome that retries everything, and records what is sent and what waits."""

    sent: list[tuple[float, int, int]]
    waiting: list[tuple[float, int, int]]

    def admit(self, job: Job, now: float) -> float:
        """Check the job against the waiting ones: retries in their order, before fresh jobs."""
        wait_s = super().admit(job, now)
        if wait_s <= 0:
            self.sent.append((now, job.number, job.tries))
            due = [item[1:] for item in sorted(self.waiting, key=itemgetter(0)) if item[0] <= now]
            assert (job.number, job.tries) == (due[0] if due else (job.number, 0))
            self.waiting = [item for item in self.waiting if item[1] != job.number]
        return wait_s

    def on_reply(self, job: Job, reply: Reply, now: float) -> float | None:
        """Retry in the second after the next, together with others."""
        if reply.status == 200:
            return None
        after_s = math.floor(now) + 2.01 - now
        self.waiting.append((now + after_s, job.number, job.tries + 1))
        return after_s


def test_retries_come_first_and_all_jobs_in_time() -> None:
    """Jobs are sent when the strategy admits them: retries first, each kind in its order."""
    retrying: list[Retrying] = []

    def factory(known: Known, random: Random, start: float) -> Retrying:
        retrying.append(Retrying(2_400, start))
        retrying[0].sent, retrying[0].waiting = [], []
        return retrying[0]

    race("retrying", factory, replace(PROFILES[9], duration_s=30, warm_up_s=10))
    sent = retrying[0].sent
    assert [when for when, _, _ in sent] == pytest.approx(
        [CLOCK_START + n / 40 for n in range(1_200)], abs=1e-4
    )
    fresh = [number for _, number, tries in sent if not tries]
    assert fresh == list(range(len(fresh)))
    assert len(sent) - len(fresh) > 100


class Impatient:
    """Waits ten seconds, but only one second after a reply."""

    asked_at = 0.0
    replied_at: float | None = None

    def admit(self, job: Job, now: float) -> float:
        """Send the first job at once; the wait of the second changes with the first reply."""
        if job.number == 0:
            return 0.0
        self.asked_at = now
        return 10.0 if self.replied_at is None else self.replied_at + 1 - now

    def on_reply(self, job: Job, reply: Reply, now: float) -> float | None:
        """Check when the second job was sent."""
        if self.replied_at is not None:
            assert self.asked_at == pytest.approx(self.replied_at + 1, abs=1e-3)
        self.replied_at = now
        return None


def test_the_strategy_is_asked_again_after_a_reply() -> None:
    """It may then return a shorter wait than before."""

    def factory(known: Known, random: Random, start: float) -> Impatient:
        return Impatient()

    profile = replace(PROFILES[0], duration_s=20, warm_up_s=0, jobs=2)
    assert race("impatient", factory, profile).successes == 2


def test_the_peers_do_what_their_docstrings_say() -> None:
    """Each model is checked in the simplest profile."""
    profile = replace(PROFILES[0], duration_s=200)
    fixed_rate = race("", FixedRate, profile)
    assert 0.93 < fixed_rate.efficiency < 0.97
    assert (fixed_rate.refused, fixed_rate.given_up) == (0, 0)
    curator = race("", Curator, profile)
    assert 0.97 < curator.efficiency <= 1.01
    cookbook = race("", Cookbook, profile)
    assert 0.73 < cookbook.efficiency < 0.77
    inspect = race("", Inspect, profile)
    assert inspect.efficiency > 0.9
    assert inspect.given_up == 0
    fixed_concurrency = race("", FixedConcurrency, profile)
    assert fixed_concurrency.max_in_flight == 64
    assert fixed_concurrency.given_up > 1_000
    assert fixed_concurrency.refusals > 0.5


def test_a_429_pauses_the_peers_that_pause() -> None:
    """Curator pauses for 10 s, the cookbook for 15 s."""
    limit = START.requests
    known = Known(limit, START.input_tokens, START.output_tokens, 300, 40, 256)
    job = Job(0, 990, 100, 0)
    headers = {
        f"anthropic-ratelimit-{name}-limit": "600000"
        for name in ("requests", "input-tokens", "output-tokens")
    }
    for peer, pause_s in ((Curator, 10.0), (Cookbook, 15.0)):
        strategy = peer(known, Random(1), CLOCK_START)
        assert strategy.admit(job, CLOCK_START) <= 0
        strategy.on_reply(job, Reply(429, headers, None, 0, 0, CLOCK_START, 0.1), CLOCK_START + 1)
        assert strategy.admit(replace(job, number=1), CLOCK_START + 2) == pytest.approx(pause_s - 1)
