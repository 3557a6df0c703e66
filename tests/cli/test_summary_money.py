"""The lines about money at the end of a run: estimate and actual, waste, and an odd bill."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from run_summaries import NO_WASTE, SUMMARY, run_summary

from batcher.cli.summary import summary
from batcher.core.money.statement import BillLine
from batcher.core.pace.halt import Halt
from batcher.core.run_record.run_summary import RepairSummary, WasteSummary
from batcher.runner.options import RunResult


def lines_of(**changes: Any) -> list[str]:
    """Return the lines about a run that was to send ten requests."""
    halt = Halt(6, "budget reached", None)
    result = RunResult(6, "run", run_summary(**changes), None, halt)
    return list(summary(result, "batcher run job.toml"))


def waste(failed_usd: str = "0", repeated_usd: str = "0", **attempts: int) -> WasteSummary:
    """Return the waste of a run."""
    return replace(
        NO_WASTE,
        failed_usd=Decimal(failed_usd),
        repeated_usd=Decimal(repeated_usd),
        attempts=replace(NO_WASTE.attempts, **attempts),
    )


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        (10, "estimate $12.10 ($11.20 to $13.10), actual $11.95"),
        (4, "estimate $12.10 ($11.20 to $13.10) for 10 requests; $11.95 for the 4 that were sent"),
    ],
)
def test_the_estimate_is_compared_with_what_the_requests_cost(sent: int, line: str) -> None:
    """The line of a run that stopped early says for how many requests each amount is."""
    assert line in lines_of(rows=replace(SUMMARY.rows, sent=sent))


def test_a_run_without_an_estimate_compares_nothing() -> None:
    """A retry has none."""
    usd = replace(SUMMARY.usd, estimate=None)
    assert not [line for line in lines_of(usd=usd) if line.startswith("estimate")]


def test_waste_is_shown_when_there_is_some() -> None:
    """It has what failed and what was repeated, with the attempts."""
    assert not [line for line in lines_of() if line.startswith("waste")]
    both = waste("0.25", "0.06", failed=1, repeated=1200)
    assert (
        "waste  $0.25 for 1 attempt of rows without a good answer; "
        "$0.06 for 1,200 attempts of rows that another attempt answered" in lines_of(waste=both)
    )
    free = waste(failed=3)
    assert not [line for line in lines_of(waste=free) if line.startswith("waste")]


def test_repairs_have_a_line_of_their_own() -> None:
    """They are no waste if the row got its answer by them."""
    assert not [line for line in lines_of() if line.startswith("repairs")]
    repairs = RepairSummary(attempts=3, usd=Decimal("0.25"))
    line = "repairs $0.25 for 3 attempts to get a valid answer"
    assert line in lines_of(repairs=repairs)


def test_a_bill_that_does_not_add_up_is_a_warning() -> None:
    """It does not matter which run it comes from, and whether it is too high or too low."""
    lines = [
        BillLine("m", "live", "standard", kind, None, Decimal("-0.0001"))
        for kind in ("input", "unexplained")
    ]
    checkpoint = replace(SUMMARY.checkpoint, bill=tuple(lines))
    (line,) = [text for text in lines_of(checkpoint=checkpoint) if text.startswith("warning")]
    assert line.startswith("warning  $-0.0001 of the bill for m is not explained")
