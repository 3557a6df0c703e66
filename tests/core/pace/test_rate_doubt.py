"""Refusals at random keep their share at half the rate; those of a rate do not."""

from dataclasses import dataclass, field
from random import Random

import pytest

from batcher.core.pace.rate_doubt import Belief, RateDoubt

SHARES = [0.05, 0.1, 0.3, 0.5]


@dataclass
class Sending:
    """Sends attempts of which a share is refused; each returns before the next one is sent."""

    seed: int = 0
    doubt: RateDoubt = field(default_factory=RateDoubt)
    number: int = 0

    def __post_init__(self) -> None:
        self._random = Random(self.seed)

    def send(self, count: int, share: float) -> int:
        """Send attempts until the belief changes; return how many were sent."""
        belief = self.doubt.belief
        for sent in range(count):
            self.number += 1
            self.doubt.on_sent()
            if self._random.random() < share:
                self.doubt.on_refused(self.number)
            else:
                self.doubt.on_passed(self.number)
            if self.doubt.belief is not belief:
                return sent + 1
        return count

    def begin_test(self, share: float) -> "Sending":
        """Send attempts at ten a second, which pass, and begin a test."""
        self.send(200, share)
        self.doubt.on_limit(0.0, 0, 0)
        self.doubt.on_limit(10.0, 101, 101)
        assert self.doubt.test_rate(7.4, self.number + 1) == pytest.approx(5.0)
        return self


@pytest.mark.parametrize("share", SHARES)
def test_refusals_that_keep_their_share_are_at_random(share: float) -> None:
    """In at least 85 % of tests; most of the others begin again later."""
    beliefs = []
    for seed in range(100):
        sending = Sending(seed).begin_test(share)
        assert sending.send(2_000, share) < 400
        beliefs.append(sending.doubt.belief)
    assert beliefs.count(Belief.RANDOM) >= 85
    assert beliefs.count(Belief.RANDOM) + beliefs.count(Belief.RATE) == 100


@pytest.mark.parametrize("share", SHARES)
def test_refusals_that_cease_at_half_the_rate_are_those_of_a_rate(share: float) -> None:
    """Always; and the next doubt needs twice as many refusals, a later one four times."""
    sending = Sending().begin_test(share)
    for needed in (6, 12, 24, 24):
        assert sending.send(500, 0.0) < 200
        assert sending.doubt.belief is Belief.RATE
        sending.doubt.on_limit(0.0, 0, 0)
        sending.doubt.on_limit(10.0, 101, 101)
        sending.send(needed - 1, 1.0)
        assert sending.doubt.test_rate(1.0, sending.number + 1) is None
        sending.send(1, 1.0)
        sending.send(100, 0.0)
        assert sending.doubt.test_rate(1.0, sending.number + 1) is not None


def test_a_few_refusals_by_late_arrivals_are_those_of_a_rate() -> None:
    """Where arrivals vary, some are refused at half the rate, too: a seventh of the share."""
    beliefs = []
    for seed in range(50):
        sending = Sending(seed).begin_test(0.2)
        sending.send(2_000, 0.03)
        beliefs.append(sending.doubt.belief)
    assert beliefs.count(Belief.RATE) >= 48


def test_a_dead_limit_is_not_random() -> None:
    """When nearly everything is refused, no half of it passes."""
    sending = Sending().begin_test(0.5)
    sending.send(100, 1.0)
    assert sending.doubt.belief is Belief.RATE


def test_a_rate_as_high_as_what_has_passed_is_not_doubted() -> None:
    """Nor is any rate when no two refusals have shown what passes."""
    sending = Sending()
    sending.send(200, 0.3)
    assert sending.doubt.test_rate(0.001, 201) is None
    sending.doubt.on_limit(0.0, 0, 0)
    sending.doubt.on_limit(1.0, 101, 101)  # a burst of a second shows no rate
    assert sending.doubt.test_rate(0.001, 201) is None
    sending.doubt.on_limit(10.0, 101, 101)
    assert sending.doubt.test_rate(7.6, 201) is None


@pytest.mark.parametrize("share", SHARES)
def test_refusals_at_random_stay_at_random(share: float) -> None:
    """For a thousand attempts in nearly all runs, whatever share the test has seen."""
    kept = 0
    for seed in range(100):
        sending = Sending(seed).begin_test(share)
        sending.send(2_000, share)
        if sending.doubt.belief is Belief.RANDOM:
            kept += sending.send(1_000, share) == 1_000
    assert kept >= 80


@pytest.mark.parametrize(("share", "later"), [(0.05, 0.4), (0.1, 0.5), (0.3, 0.9), (0.5, 1.0)])
def test_clearly_more_refusals_than_before_are_those_of_a_rate(share: float, later: float) -> None:
    """It is noticed within a few hundred attempts, much more within fifty."""
    for seed in range(20):
        sending = Sending(seed).begin_test(share)
        sending.send(2_000, share)
        if sending.doubt.belief is Belief.RANDOM:
            assert sending.send(1_000, later) <= 400
            assert sending.doubt.belief is Belief.RATE


@pytest.mark.parametrize("share", SHARES)
def test_refusals_at_random_come_to_an_end(share: float) -> None:
    """When none is refused any more, the next refusals count as those of a rate."""
    for seed in range(20):
        sending = Sending(seed).begin_test(share)
        sending.send(2_000, share)
        if sending.doubt.belief is Belief.RANDOM:
            assert sending.send(2_000, 0.0) < 1_000
            assert sending.doubt.belief is Belief.RATE
