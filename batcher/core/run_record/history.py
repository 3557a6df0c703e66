"""The runs of a job side by side: what each has done, what a row cost, and the trend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from statistics import median
from typing import Literal

from batcher.core.json_form import JsonRecord
from batcher.core.money.display import Usd
from batcher.core.run_record.run_status import SendingRows
from batcher.core.run_record.run_summary import RowCounts, RunFacts, RunMoney, RunSummary, Time

_SIX_DIGITS = Context(prec=6)
_RUNS_COMPARED = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine(JsonRecord):
    """One run; a count is null when the run has not got so far, or an old version wrote it."""

    run_id: str
    state: Literal["running", "silent", "died", "ended"]
    started: Time
    ended: Time | None
    exit_code: int | None
    is_pilot: bool
    scope: tuple[str, ...]
    new: int | None
    """Rows that no earlier run has seen."""
    answered: int | None
    """Requests of this run with a good answer."""
    failed: int | None
    """Requests of this run without one."""
    spent: Usd | None
    usd_per_row: Usd | None
    """What an answered or failed request cost, to six digits."""
    labels: dict[str, dict[str, float]]
    """The share of each class among new labels, by label field."""

    @property
    def is_whole(self) -> bool:
        """Whether the run was about all rows, and has answered some."""
        return not self.is_pilot and not self.scope and self.usd_per_row is not None


def line_of_summary(run: RunSummary) -> RunLine:
    """Return the line of a run that has ended in order."""
    return line_of(run, "ended", run.rows, run.usd)


def line_of(
    run: RunFacts,
    state: Literal["running", "silent", "died", "ended"],
    rows: RowCounts | None,
    usd: RunMoney | None,
) -> RunLine:
    """Return the line of a run; ``rows`` and ``usd`` are None before it sends."""
    done = None if rows is None else rows.done if isinstance(rows, SendingRows) else rows.sent
    failed = None if rows is None else rows.failed
    spent = None if usd is None else usd.spent
    per_row = _SIX_DIGITS.divide(spent, Decimal(done)) if spent is not None and done else None
    quality = run.quality if isinstance(run, RunSummary) else None
    counts = None if quality is None else quality.new_class_counts
    return RunLine(
        run_id=run.run_id,
        state=state,
        started=run.started,
        ended=run.ended,
        exit_code=run.exit_code,
        is_pilot=run.is_pilot,
        scope=run.scope,
        new=None if run.plan is None else run.plan.new,
        answered=None if done is None or failed is None else done - failed,
        failed=failed,
        spent=spent,
        usd_per_row=per_row,
        labels={name: _shares(classes) for name, classes in (counts or {}).items()},
    )


def _shares(classes: Mapping[str, int]) -> dict[str, float]:
    number = sum(classes.values())
    return {name: round(count / number, 4) for name, count in classes.items()} if number else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend(JsonRecord):
    """The last run over all rows, and the medians of up to 14 such runs before it."""

    runs: int
    """How many runs came before."""
    new: int | None
    median_new: float | None
    failed_share: float | None
    median_failed_share: float | None
    usd_per_row: Usd | None
    median_usd_per_row: Usd | None


def trend(lines: Sequence[RunLine]) -> Trend | None:
    """Compare the last run with those before it; None without two to compare. Oldest first."""
    whole = [line for line in lines if line.is_whole][-_RUNS_COMPARED - 1 :]
    if len(whole) < 2:
        return None
    *before, last = whole
    costs = [line.usd_per_row for line in before if line.usd_per_row is not None]
    new = [line.new for line in before if line.new is not None]
    shares = [share for line in before if (share := _failed_share(line)) is not None]
    return Trend(
        runs=len(before),
        new=last.new,
        median_new=median(new) if new else None,
        failed_share=_failed_share(last),
        median_failed_share=median(shares) if shares else None,
        usd_per_row=last.usd_per_row,
        median_usd_per_row=_SIX_DIGITS.plus(median(costs)) if costs else None,
    )


def _failed_share(line: RunLine) -> float | None:
    if line.answered is None or line.failed is None:
        return None
    done = line.answered + line.failed
    return line.failed / done if done else None
