"""The ways to send a plan side by side: their times, the price of auto, and which comes first."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.batches.durations import DAY_S, Durations
from batcher.core.delivery import Mode
from batcher.core.estimate.deliveries import (
    Situation,
    batch_seconds,
    best,
    compared,
    share_in_batches,
)
from batcher.core.estimate.estimate import Choice, Dollars
from batcher.core.estimate.spread import Spread


def usd(expected: str) -> Dollars:
    """Return an estimate with an interval of a fifth to both sides."""
    value = Decimal(expected)
    return Dollars(value, value * Decimal("0.8"), value * Decimal("1.2"), value * 9)


LIVE, CACHED = Choice("live", False, usd("8")), Choice("live", True, usd("3"))
BATCH, PRIMED = Choice("batch", False, usd("4")), Choice("batch", True, usd("1.6"))
ALL = (CACHED, LIVE, PRIMED, BATCH)
NIGHT = Situation(30_000, 10_000, Durations(), Spread(3_600, 3_000, 5_000), 8 * 3_600)
SITUATIONS = st.builds(
    Situation,
    requests=st.integers(1, 10**7),
    batch_rows=st.integers(1, 100_000),
    durations=st.lists(st.tuples(st.integers(1, 10**5), st.floats(1, 2 * DAY_S)), max_size=9).map(
        Durations.learnt
    ),
    live_s=st.floats(1, 10**6).map(lambda seconds: Spread(seconds, seconds / 2, seconds * 2)),
    left_s=st.floats(-DAY_S, 2 * DAY_S),
)


def names(choices: tuple[Choice, ...]) -> list[tuple[str, bool]]:
    """Return the choices without their figures."""
    return [(choice.delivery, choice.is_cached) for choice in choices]


@pytest.mark.parametrize(
    ("mode", "first"),
    [("live", ("live", True)), ("batch", ("batch", True)), ("auto", ("auto", True))],
)
def test_what_a_run_does_comes_first(mode: Mode, first: tuple[str, bool]) -> None:
    """The other choices follow, each once."""
    found = names(compared(ALL, mode, NIGHT))
    assert found[0] == first
    assert sorted(found) == sorted([*names(ALL), ("auto", True)])


def test_batches_take_the_cheaper_way() -> None:
    """Priming is no gain when few requests share a prefix."""
    dear = replace(PRIMED, usd=usd("4.1"))
    assert best((LIVE, dear, BATCH), "batch") is BATCH
    assert best((LIVE, PRIMED, BATCH), "batch") is PRIMED
    assert best((LIVE,), "batch") is None


@given(SITUATIONS)
def test_primed_batches_that_end_late_are_paid_for_without_the_cache(now: Situation) -> None:
    """Between the price of batches that read everything and of those that read nothing."""
    primed = priced(now)
    assert PRIMED.usd.expected <= primed.expected <= BATCH.usd.expected
    assert primed.low <= primed.expected <= primed.high
    fast = Durations(median_s=1.0, spread=0.5, expired=0.0)
    assert priced(replace(now, durations=fast)).expected == PRIMED.usd.expected


def priced(now: Situation) -> Dollars:
    """Return the cost of primed batches."""
    (primed,) = (
        choice.usd
        for choice in compared(ALL, "batch", now)
        if (choice.delivery, choice.is_cached) == ("batch", True)
    )
    return primed


def test_requests_that_only_go_live_are_sent_live() -> None:
    """A job of auto whose requests no batch takes."""
    assert names(compared((CACHED, LIVE), "auto", NIGHT)) == [("live", True), ("live", False)]


@given(SITUATIONS)
def test_batches_end_between_a_minute_and_two_days(now: Situation) -> None:
    """The interval is in order, more batches take longer, and priming takes longer still."""
    plain, primed = (batch_seconds(now, is_primed=is_primed) for is_primed in (False, True))
    assert 60 <= plain.low <= plain.expected <= plain.high <= DAY_S
    assert plain.expected < primed.expected <= 2 * DAY_S
    more = batch_seconds(replace(now, requests=now.requests * 2), is_primed=False)
    assert more.expected >= plain.expected


@given(SITUATIONS, st.floats(0, DAY_S))
def test_more_time_brings_more_rows_into_batches(now: Situation, more_s: float) -> None:
    """From none at all to nearly all."""
    share = share_in_batches(now)
    assert now.left_s is not None
    later = share_in_batches(replace(now, left_s=now.left_s + more_s))
    assert 0 <= share <= later <= 1
    assert share_in_batches(replace(now, left_s=0.0)) == 0.0
    assert share_in_batches(replace(now, left_s=10 * DAY_S + 10**7)) == 1.0


@given(SITUATIONS)
def test_auto_costs_between_live_and_batches_and_ends_by_the_deadline(now: Situation) -> None:
    """Its worst case is that of a live run."""
    found = compared(ALL, "auto", now)
    auto, batch = best(found, "auto"), best(found, "batch")
    assert auto is not None
    assert batch is not None
    assert now.left_s is not None
    assert auto.seconds is not None
    low, high = sorted((batch.usd.expected, CACHED.usd.expected))
    assert low <= auto.usd.expected <= high
    assert auto.usd.low <= auto.usd.expected <= auto.usd.high
    assert auto.usd.worst == CACHED.usd.worst
    assert auto.seconds.high <= max(0.0, now.left_s)


def test_without_a_deadline_there_is_no_auto() -> None:
    """Nothing would tell it when to send live."""
    found = names(compared(ALL, "live", replace(NIGHT, left_s=None)))
    assert "auto" not in {name for name, _ in found}
