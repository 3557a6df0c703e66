"""Makes the figures of run.json and status.json from what a run has counted."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from batcher.core.money.exact import total
from batcher.core.plan_counts import PlanCounts
from batcher.core.run_record.run_status import Figures, SendingPace, SendingRows
from batcher.core.run_record.run_summary import (
    AttemptCounts,
    Collected,
    ErrorCount,
    Money,
    OutputFile,
    PlannedMoney,
    QualitySummary,
    RepairSummary,
    RowCounts,
    RunFacts,
    RunMoney,
    RunSummary,
    Totals,
    WastedAttempts,
    WasteSummary,
)
from batcher.core.usage_fields import TOKEN_FIELDS
from batcher.runner.record.accounting import Account, Accounting
from batcher.runner.ui import BatchesShown, Snapshot
from batcher.runner.writing.output import Exported
from batcher.store.bill import Repairs, Waste

if TYPE_CHECKING:
    from batcher.runner.sending.progress import Progress


def figures_of(
    plan: PlanCounts, money: PlannedMoney, snapshot: Snapshot, progress: "Progress"
) -> Figures:
    """Return what a run has done so far; copies what still changes."""
    by_status = dict(progress.by_status)
    rows = SendingRows(
        total=plan.items,
        already_answered=plan.already_answered,
        sent=snapshot.done,
        succeeded=by_status.get("succeeded", 0),
        by_status=by_status,
        to_send=snapshot.total,
        done=snapshot.done,
        failed=snapshot.failed,
    )
    usd = RunMoney(
        **_planned(money),
        spent=progress.spent_usd,
        unknown=progress.unknown_usd,
        cache_saved=progress.saved_usd,
        reserved=None if snapshot.budget is None else snapshot.reserved_usd,
    )
    return Figures(rows=rows, usd=usd, tokens=dict(progress.tokens))


def _planned(money: PlannedMoney) -> dict[str, Any]:
    return {field.name: getattr(money, field.name) for field in fields(PlannedMoney)}


def pace_of(snapshot: Snapshot, progress: "Progress") -> SendingPace:
    """Return how fast a run is sending."""
    asked = progress.rest_watch.last if snapshot.wait_s else None
    return SendingPace(
        in_flight=snapshot.in_flight,
        retried=snapshot.retried,
        rate=round(snapshot.rate, 3),
        eta_s=None if snapshot.eta_s is None else round(snapshot.eta_s),
        limiter=snapshot.limiter,
        seconds_by_limiter=_rounded(progress.pace_s),
        wait_s=round(snapshot.wait_s),
        wait_type=None if asked is None else asked.type,
        **_batches(snapshot.batches),
    )


def _batches(shown: BatchesShown | None) -> dict[str, Any]:
    if shown is None:
        return {}
    return {
        "batches": shown.number,
        "in_batches": shown.requests,
        "oldest_batch_s": round(shown.oldest_s),
        "next_batch_s": None if shown.next_s is None else round(shown.next_s),
    }


def summary_of(
    facts: RunFacts,
    accounting: Accounting,
    progress: "Progress | None",
    exported: Exported | None,
    output: Iterable[OutputFile],
) -> RunSummary:
    """Return the summary of a run; ``progress`` is None when nothing was sent."""
    run = {field.name: getattr(facts, field.name) for field in fields(facts)}
    sums, plan, money = accounting.sums, facts.plan, facts.usd
    assert plan is not None  # noqa: S101 - a run that has ended in order was planned
    assert money is not None  # noqa: S101
    totals = _totals(sums.run, accounting.run)
    quality = None if exported is None else exported.quality
    run["usd"] = RunMoney(
        **_planned(money),
        spent=totals.usd.spent,
        unknown=totals.usd.unknown,
        pending=totals.usd.pending,
        cache_saved=Decimal(0) if progress is None else progress.saved_usd,
    )
    speed = sums.latency_s
    return RunSummary(
        **run,
        rows=RowCounts(
            total=plan.items,
            already_answered=plan.already_answered,
            sent=sums.requests,
            succeeded=sums.by_status.get("succeeded", 0),
            by_status=sums.by_status,
            failed=0 if progress is None else progress.failed,
        ),
        attempts=totals.attempts,
        tokens=totals.tokens,
        bill=totals.bill,
        waste=totals.waste,
        repairs=totals.repairs,
        collected=Collected(**sums.collected),
        checkpoint=_totals(sums.checkpoint, accounting.checkpoint),
        latency_s={name: speed[name] for name in ("p50", "p95", "p99")},
        ttft_s={name: speed[f"ttft_{name}"] for name in ("p50", "p95")},
        output_tokens_per_s={name: speed[f"tokens_per_s_{name}"] for name in ("p50", "p5")},
        models=sums.models,
        errors=tuple(ErrorCount(**error) for error in sums.errors),
        seconds_by_limiter={} if progress is None else _rounded(progress.pace_s),
        observed_limits={} if progress is None else progress.limits,
        quality=None if quality is None else QualitySummary(**quality.as_json()),
        output=tuple(output),
    )


def _totals(sums: Mapping[str, Any], account: Account) -> Totals:
    """Return what is summed up and billed, of one run or of all."""
    return Totals(
        usd=Money(
            spent=sums["cost_usd"],
            unknown=total([sums["unknown_usd"], sums["unpriced_usd"]]),
            pending=sums["pending_usd"],
        ),
        attempts=AttemptCounts(
            sent=sums["attempts"],
            billed=sums["billed"],
            unknown=sums["unknown"],
            unpriced=sums["unpriced"],
            in_batches=sums["in_batches"],
            pending=sums["pending"],
        ),
        tokens={kind: sums[kind] for kind in TOKEN_FIELDS},
        bill=account.bill,
        waste=_waste(sums, account.waste),
        repairs=_repairs(account.repairs),
    )


def _waste(sums: Mapping[str, Any], waste: Waste) -> WasteSummary:
    attempts = WastedAttempts(
        failed=waste.failed,
        repeated=waste.repeated,
        unknown=sums["unknown"],
        released=sums["released"],
    )
    return WasteSummary(
        failed_usd=waste.failed_usd,
        repeated_usd=waste.repeated_usd,
        unknown_usd=sums["unknown_usd"],
        released_usd=sums["released_usd"],
        attempts=attempts,
    )


def _repairs(repairs: Repairs) -> RepairSummary:
    return RepairSummary(attempts=repairs.attempts, usd=repairs.usd)


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    return {limiter: round(value, 1) for limiter, value in tuple(seconds.items())}
