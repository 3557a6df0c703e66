"""How far a job is, of which runs are parts: rows that have answers, and money of its budget."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from batcher.core.json_form import JsonRecord
from batcher.core.money.display import Usd
from batcher.core.money.exact import total
from batcher.core.run_record.run_status import RunStatus, SendingRows
from batcher.core.run_record.run_summary import RunMoney, RunSummary

_NOT_FAILED = ("succeeded", "skipped", "unsent", "pending")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress(JsonRecord):
    """Counts of the rows of a job, with several samples of rows times samples, and its money."""

    total: int
    answered: int
    failed: int
    """Rows that came back without a good answer; while a run sends, those of this run."""
    skipped: int
    """Rows whose prompt is empty."""
    pending: int
    """Rows that wait in a batch."""
    spent: Usd | None
    """What counts for the budget, or without one all that the job has spent; null if not known."""
    cap: Usd | None
    per: Literal["job", "day"] | None
    scope: tuple[str, ...]
    """The overrides that chose the rows; empty for all rows of the job."""


def job_progress(status: RunStatus) -> JobProgress | None:
    """Return how far the job of a run is; None before the run knows its rows."""
    rows, usd, run = status.rows, status.usd, status.run
    if rows is None or usd is None:
        return None
    if isinstance(rows, SendingRows):
        answered, failed = rows.already_answered + rows.done - rows.failed, rows.failed
        pending = 0 if status.moment.pace is None else status.moment.pace.in_batches
        skipped = 0 if run.plan is None else run.plan.skipped
    else:
        answered, skipped, _, pending = (rows.by_status.get(name, 0) for name in _NOT_FAILED)
        failed = sum(n for name, n in rows.by_status.items() if name not in _NOT_FAILED)
        if not rows.by_status and rows.total:  # after a failed write rows are not counted
            return None
    return JobProgress(
        total=rows.total,
        answered=min(answered, rows.total),
        failed=failed,
        skipped=skipped,
        pending=pending,
        spent=_spent(status, usd),
        cap=usd.cap,
        per=usd.per,
        scope=run.scope,
    )


def _spent(status: RunStatus, usd: RunMoney) -> Decimal | None:
    run = status.run
    if usd.per == "day" and usd.spent_before is not None:
        return total([usd.spent_before, usd.spent])
    if isinstance(run, RunSummary):
        return run.checkpoint.usd.spent
    return None if usd.spent_before is None else total([usd.spent_before, usd.spent])
