"""The delivery ``auto`` meets its deadline, and costs little more than one who knows the future."""

from dataclasses import replace

import pytest
from night import GENERATORS, night
from nights_table import NIGHTS, mean_ratio, met_share, results
from played_night import BATCH, LIVE, play

from batcher.core.batches.auto import Situation, Step, decide
from batcher.core.batches.durations import Durations


@pytest.mark.parametrize("generator", GENERATORS)
def test_a_sample_of_nights(generator: str) -> None:
    """In a small sample every deadline is met, at hardly more than the least cost."""
    found = results(generator, 40)
    assert met_share(found) == 1
    assert mean_ratio(found) <= 1.1
    for result in found:
        played = result.played
        assert played.live + played.in_batches == pytest.approx(played.night.rows)
        assert played.cost == pytest.approx(LIVE * played.live + BATCH * played.in_batches)


@pytest.mark.slow
@pytest.mark.parametrize("generator", GENERATORS)
def test_many_nights(generator: str) -> None:
    """The promise: 99 of 100 deadlines, at a mean cost of at most a tenth above the oracle's."""
    found = results(generator, NIGHTS)
    assert met_share(found) >= 0.99
    assert mean_ratio(found) <= 1.1


@pytest.mark.slow
def test_ten_times_as_many_nights() -> None:
    """The same for 2,000 nights of each generator, all together."""
    found = [result for generator in GENERATORS for result in results(generator, 10 * NIGHTS)]
    assert met_share(found) >= 0.995
    assert mean_ratio(found) <= 1.1


def test_a_policy_without_a_margin_misses() -> None:
    """The nights tell a bad policy from a good one: one that waits too long misses many."""

    def late(now: Situation, durations: Durations) -> Step:
        return decide(replace(now, left_s=now.left_s + 3_600), durations)

    missed = [not play(night("all expire", number), late).is_met for number in range(30)]
    assert sum(missed) > 20


def test_live_alone_costs_twice_as_much() -> None:
    """A policy that never makes a batch pays the full price in every night."""

    def live(now: Situation, durations: Durations) -> Step:
        return Step(0, now.waiting, (), 600.0)

    for number in range(5):
        drawn = night("log-normal", number)
        played = play(drawn, live)
        assert played.cost == pytest.approx(LIVE * drawn.rows)
        assert played.done_at == pytest.approx(drawn.live_alone_s(), abs=61)
