"""The counts of a run come from recorded attempts, and are exact."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sending import PRICES, RESET, UNSENT, failed, good, pending

from batcher.core.answers.outcome import Billing, classify
from batcher.core.money.bill import FREE, Bill, Sent, bill
from batcher.core.pace.halt import HaltWatch
from batcher.core.pace.retry import Retry, Stop
from batcher.core.pace.unpriced_watch import FEW, UnpricedWatch
from batcher.runner.sending.context import AttemptResult
from batcher.runner.sending.progress import Progress

COST = bill(classify(good()).message, Sent("claude-haiku-5-5", 50), PRICES)


def attempt(
    result: Any, decision: Any = None, cost: Bill | None = None, **changes: Any
) -> AttemptResult:
    """Return the result of an attempt with this response."""
    outcome = classify(result)
    unbilled = Bill(None, None) if outcome.billing is Billing.UNKNOWN else FREE
    default = COST if outcome.message else unbilled
    return AttemptResult(pending(**changes), outcome, cost or default, decision or Stop("final"))


class StopCounter:
    """Counts how often the run was stopped."""

    times = 0

    def __call__(self) -> None:
        """Count one stop."""
        self.times += 1


def progress(now: float = 0.0) -> tuple[Progress, StopCounter]:
    """Return the progress of a run with ten requests, and the counter of its stops."""
    stop = StopCounter()
    return Progress(
        10, HaltWatch(600, 0.0), UnpricedWatch(Decimal("0.1"), has_budget=False), stop, lambda: now
    ), stop


def recorded(*attempts: AttemptResult) -> Progress:
    """Return the progress after these attempts are recorded."""
    counts, _ = progress()
    for result in attempts:
        counts.on_committed(result)
    return counts


def test_a_request_is_done_when_it_is_not_tried_again() -> None:
    """A retry is not done; a request that has no attempts left is done and failed."""
    counts = recorded(
        attempt(failed(500), Retry(1)),
        attempt(good()),
        attempt(failed(400)),
        attempt(failed(500), Stop("attempts")),
        attempt(RESET, Stop("unknown_attempts")),
    )
    assert (counts.sent, counts.done, counts.retried, counts.failed) == (5, 4, 1, 3)
    assert counts.by_status == {"succeeded": 1, "errored": 3}


def test_a_request_that_halts_the_run_is_not_done() -> None:
    """A request refused with a 401 is sent again by the next run."""
    counts = recorded(attempt(failed(401), Stop("halt")))
    assert (counts.sent, counts.done, counts.failed, counts.by_status) == (1, 0, 0, {})


def test_money_is_exact() -> None:
    """Billed costs are summed; unknown ones count with their worst case, if they have one."""
    counts = recorded(
        *[attempt(good())] * 3,
        attempt(RESET, Retry(1)),
        attempt(RESET, Retry(1), worst=None),
        attempt(UNSENT, Retry(1)),
    )
    assert counts.spent_usd == 3 * COST.cost_usd
    assert counts.unknown_usd == Decimal("0.5")
    assert counts.tokens["input_tokens"] == 300
    assert counts.tokens["thinking_tokens"] == 0


@given(st.lists(st.decimals(0, 10**9, places=18), max_size=20))
def test_no_digit_is_lost(amounts: list[Decimal]) -> None:
    """The sum of up to 20 amounts with 18 decimals is exact."""
    counts = recorded(*(attempt(good(), cost=Bill(COST.usage, usd)) for usd in amounts))
    assert counts.spent_usd * 10**18 == sum(int(usd * 10**9 * 10**9) for usd in amounts)


def test_nothing_counts_before_it_is_recorded() -> None:
    """A result that is not committed changes no count."""
    counts, stop = progress()
    counts.on_result(attempt(good()))
    assert (counts.sent, counts.done, counts.spent_usd, stop.times) == (0, 0, 0, 0)


def test_a_reason_to_halt_stops_the_run_and_stays() -> None:
    """Of two reasons to halt, the first is kept."""
    counts, stop = progress()
    counts.on_result(attempt(failed(401)))
    first = counts.halt
    counts.on_result(attempt(failed(403)))
    assert first is not None
    assert (first.exit_code, counts.halt, stop.times) == (4, first, 2)


def test_answers_that_cannot_be_priced_stop_the_run() -> None:
    """An unknown price is never zero; the exit code is 1 and the message names the reason."""
    counts, stop = progress()
    unpriced = attempt(good(), cost=Bill(None, None, "usage field 'x' is new"))
    for _ in range(FEW - 1):
        counts.on_result(unpriced)
        counts.on_committed(unpriced)
    assert (counts.halt, counts.unpriced, counts.unknown) == (None, FEW - 1, 0)
    assert counts.unknown_usd == Decimal("0.5") * (FEW - 1)
    counts.on_result(unpriced)
    assert counts.halt is not None
    assert (counts.halt.exit_code, stop.times) == (1, 1)
    assert "usage field 'x' is new" in counts.halt.message
    assert counts.notes == ["usage field 'x' is new"]


def test_a_row_on_hold_is_counted() -> None:
    """Its attempts count as unknown, and it waits for a retry."""
    counts = recorded(attempt(RESET, Retry(1)), attempt(RESET, Stop("unknown_attempts")))
    assert (counts.unknown, counts.on_hold) == (2, 1)


def test_an_attempt_with_unknown_billing_does_not_stop_the_run() -> None:
    """Such an attempt has no cost, and its worst case is counted as unknown."""
    counts, stop = progress()
    counts.on_result(attempt(RESET, Retry(1)))
    counts.on_result(attempt(replace(good(), fault="client.cut_short"), Retry(1)))
    assert (counts.halt, stop.times) == (None, 0)
