"""The summary of a run, for tests of what is made of it."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from batcher.core.estimate.estimate import Dollars
from batcher.core.plan_counts import PlanCounts
from batcher.core.run_record.run_summary import (
    AttemptCounts,
    Money,
    RepairSummary,
    RowCounts,
    RunMoney,
    RunSummary,
    Totals,
    WastedAttempts,
    WasteSummary,
)

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
NO_WASTE = WasteSummary(
    failed_usd=Decimal(0),
    repeated_usd=Decimal(0),
    unknown_usd=Decimal(0),
    released_usd=Decimal(0),
    attempts=WastedAttempts(failed=0, repeated=0, unknown=0, released=0),
)
ESTIMATE = Dollars(Decimal("12.1"), Decimal("11.2"), Decimal("13.1"), Decimal(40))
ATTEMPTS = AttemptCounts(sent=10, billed=10, unknown=0, unpriced=0)
TOKENS = {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": 0}
SUMMARY = RunSummary(
    run_id="R",
    job="job",
    state="ended",
    exit_code=0,
    started=NOON,
    ended=NOON,
    is_simulated=False,
    plan=PlanCounts(10, 10, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, Decimal(40), Decimal(4)),
    versions={"batcher": "1"},
    prices_date=date(2026, 1, 1),
    price_overrides=(),
    overrides=(),
    usd=RunMoney(
        estimate=ESTIMATE, spent=Decimal("11.95"), unknown=Decimal(0), cache_saved=Decimal(0)
    ),
    rows=RowCounts(
        total=10, already_answered=0, sent=10, succeeded=10, by_status={"succeeded": 10}
    ),
    attempts=ATTEMPTS,
    tokens=TOKENS,
    waste=NO_WASTE,
    repairs=RepairSummary(attempts=0, usd=Decimal(0)),
    checkpoint=Totals(
        usd=Money(spent=Decimal("11.95"), unknown=Decimal(0)), attempts=ATTEMPTS, tokens=TOKENS
    ),
    latency_s={"p50": 1.0, "p95": 2.0, "p99": 3.0},
    models={"m": 10},
    errors=(),
    seconds_by_limiter={},
    observed_limits={},
    output=(),
)


def run_summary(**changes: Any) -> RunSummary:
    """Return the summary of a run that sent ten requests; ``changes`` replace fields."""
    return replace(SUMMARY, **changes)
