"""A run's counts are those of recorded attempts, and exact."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sending import LOST, PRICES, UNSENT, failed, good, pending

from batcher.core.answers.outcome import Billing, classify
from batcher.core.money.bill import FREE, Bill, bill
from batcher.core.pace.halt import HaltWatch
from batcher.core.pace.retry import Retry, Stop
from batcher.runner.sending.context import AttemptResult
from batcher.runner.sending.progress import Progress

COST = bill(classify(good()).message, "claude-haiku-5-5", PRICES)


def attempt(
    result: Any, decision: Any = None, cost: Bill | None = None, **changes: Any
) -> AttemptResult:
    """What an answer came to."""
    outcome = classify(result)
    known = Bill(None, None) if outcome.billing is Billing.UNKNOWN else FREE
    billed = COST if outcome.message else known
    return AttemptResult(pending(**changes), outcome, cost or billed, decision or Stop("final"))


class Stopper:
    """Counts how often it was told to stop."""

    times = 0

    def __call__(self) -> None:
        """Stop."""
        self.times += 1


def progress(now: float = 0.0) -> tuple[Progress, Stopper]:
    """A progress of ten requests."""
    stop = Stopper()
    return Progress(10, HaltWatch(600, 0.0), stop, lambda: now), stop


def recorded(*attempts: AttemptResult) -> Progress:
    """Count these."""
    counts, _ = progress()
    for one in attempts:
        counts.on_committed(one)
    return counts


def test_a_request_is_done_when_it_is_not_tried_again() -> None:
    """Retries are counted apart; a request without attempts left is done and failed."""
    counts = recorded(
        attempt(failed(500), Retry(1)),
        attempt(good()),
        attempt(failed(400)),
        attempt(failed(500), Stop("attempts")),
        attempt(LOST, Stop("unknown_attempts")),
    )
    assert (counts.sent, counts.done, counts.retried, counts.failed) == (5, 4, 1, 3)
    assert counts.by_status == {"succeeded": 1, "errored": 3}


def test_a_request_that_was_refused_us_is_not_done() -> None:
    """It is sent again when somebody has acted."""
    counts = recorded(attempt(failed(401), Stop("halt")))
    assert (counts.sent, counts.done, counts.failed, counts.by_status) == (1, 0, 0, {})


def test_money_is_exact() -> None:
    """What was billed adds up; what may have been is at its worst case, when that is known."""
    counts = recorded(
        *[attempt(good())] * 3,
        attempt(LOST, Retry(1)),
        attempt(LOST, Retry(1), worst=None),
        attempt(UNSENT, Retry(1)),
    )
    assert counts.spent_usd == 3 * COST.cost_usd
    assert counts.unknown_usd == Decimal("0.5")
    assert counts.tokens["input_tokens"] == 300
    assert counts.tokens["thinking_tokens"] == 0


@given(st.lists(st.decimals(0, 10**9, places=18), max_size=20))
def test_no_digit_is_lost(amounts: list[Decimal]) -> None:
    """However many and however large and small."""
    counts = recorded(*(attempt(good(), cost=Bill(COST.usage, usd)) for usd in amounts))
    assert counts.spent_usd * 10**18 == sum(int(usd * 10**9 * 10**9) for usd in amounts)


def test_nothing_counts_before_it_is_recorded() -> None:
    """Being tried is not being done."""
    counts, stop = progress()
    counts.on_result(attempt(good()))
    assert (counts.sent, counts.done, counts.spent_usd, stop.times) == (0, 0, 0, 0)


def test_a_reason_to_halt_stops_the_run_and_stays() -> None:
    """The first reason is the one that is told."""
    counts, stop = progress()
    counts.on_result(attempt(failed(401)))
    first = counts.halt
    counts.on_result(attempt(failed(403)))
    assert first is not None
    assert (first.exit_code, counts.halt, stop.times) == (4, first, 2)


def test_an_answer_that_cannot_be_priced_stops_the_run() -> None:
    """Unknown is an error, never zero: exit 1, and what to do."""
    counts, stop = progress()
    counts.on_result(attempt(good(), cost=Bill(None, None, "usage field 'x' is new")))
    assert counts.halt is not None
    assert (counts.halt.exit_code, stop.times) == (1, 1)
    assert "usage field 'x' is new" in counts.halt.message


def test_an_attempt_whose_fate_is_unknown_does_not_stop_the_run() -> None:
    """It has no cost either, but that is counted as unknown."""
    counts, stop = progress()
    counts.on_result(attempt(LOST, Retry(1)))
    counts.on_result(attempt(replace(good(), fault="client.cut_short"), Retry(1)))
    assert (counts.halt, stop.times) == (None, 0)
