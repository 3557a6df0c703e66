"""The summary of a run: the content of run.json."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer

from batcher.core.estimate.estimate import Dollars
from batcher.core.json_form import JsonRecord, from_json
from batcher.core.money.budget import BudgetState
from batcher.core.money.display import Usd
from batcher.core.money.statement import BillLine
from batcher.core.pace.kinds import Kind, KnownLimit
from batcher.core.plan_counts import PlanCounts
from batcher.core.run_record.older_versions import SCHEMA_VERSION, upgraded

Time = Annotated[
    datetime, PlainSerializer(lambda time: time.isoformat(timespec="seconds"), return_type=str)
]

Percentiles = dict[str, float | None]
"""Values by percentile, such as p50; null when there is nothing to measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMoney(JsonRecord):
    """Money of a run that has been planned, in USD."""

    estimate: Dollars | None = None
    """What the run was estimated to cost; null for a retry, and when nothing was to be sent."""
    cap: Usd | None = None
    """The budget; null without one."""
    per: Literal["job", "day"] | None = None
    """What the budget covers; null without one, and in the record of an old version."""
    spent_before: Usd | None = None
    """What earlier runs had spent of the budget; null where ``per`` is."""

    @classmethod
    def of(
        cls, estimate: Dollars | None, budget: BudgetState | None, per: Literal["job", "day"]
    ) -> "PlannedMoney":
        """Return the money of a run whose budget, if it has one, is in this state."""
        if budget is None:
            return cls(estimate=estimate)
        return cls(estimate=estimate, cap=budget.cap, per=per, spent_before=budget.spent)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMoney(PlannedMoney):
    """Money of a run, in USD."""

    spent: Usd
    """The sum of all known costs."""
    unknown: Usd
    """The most that attempts can have cost whose billing status or cost is unknown."""
    pending: Usd = Decimal(0)
    """The most that requests can cost that wait in a batch."""
    cache_saved: Usd | None = None
    """What the prompt cache saved; null in the record of an old version."""
    reserved: Usd | None = None
    """The most that attempts in flight can still cost; null without a budget, and at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Money(JsonRecord):
    """Money of all runs of the checkpoint, in USD."""

    spent: Usd
    """The sum of all known costs."""
    unknown: Usd
    """The most that attempts can have cost whose billing status or cost is unknown."""
    pending: Usd = Decimal(0)
    """The most that requests can cost that wait in a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts(JsonRecord):
    """Counts of the input's rows; with several samples, of rows times samples."""

    total: int
    already_answered: int
    """Rows that had an answer before this run."""
    sent: int
    """Requests of this run that got a final result."""
    succeeded: int
    by_status: dict[str, int]
    """Rows of each output status."""
    failed: int | None = None
    """Requests of this run without a good answer; null in the record of an old version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptCounts(JsonRecord):
    """Counts of attempts."""

    sent: int
    billed: int
    unknown: int
    """Attempts whose billing status is unknown: killed, timed out or cut off."""
    unpriced: int
    """Billed attempts whose cost is not known."""
    in_batches: int = 0
    """Attempts that were sent in batches."""
    pending: int = 0
    """Attempts that wait in a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected(JsonRecord):
    """What a run received for batches of earlier runs; the bills of those runs have its cost."""

    attempts: int
    billed: int
    usd: Usd


@dataclass(frozen=True, slots=True, kw_only=True)
class WastedAttempts(JsonRecord):
    """The attempts behind each amount of waste."""

    failed: int
    repeated: int
    unknown: int
    released: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WasteSummary(JsonRecord):
    """Money that brought no answer, in USD."""

    failed_usd: Usd
    """The cost of attempts of rows that have no good answer."""
    repeated_usd: Usd
    """The cost of attempts of rows that another attempt answered."""
    unknown_usd: Usd
    """The most that attempts with an unknown billing status can have cost."""
    released_usd: Usd
    """The most that attempts can have cost that a user released from the budget."""
    attempts: WastedAttempts


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairSummary(JsonRecord):
    """Billed attempts that asked again and quoted what was wrong with an answer."""

    attempts: int
    usd: Usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals(JsonRecord):
    """What all runs of the checkpoint used and cost."""

    usd: Money
    attempts: AttemptCounts
    tokens: dict[str, int]
    bill: tuple[BillLine, ...] = ()
    waste: WasteSummary | None = None
    repairs: RepairSummary | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCount(JsonRecord):
    """The rows without a good answer of one error type."""

    type: str | None
    rows: int
    example_id: str | None
    """The id of one of the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile(JsonRecord):
    """A file of the output."""

    path: str
    """The absolute path."""
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QualitySummary(JsonRecord):
    """The quality of the labels; docs/labels.md explains the figures."""

    class_counts: dict[str, dict[str, int]]
    """The rows of each class, by label field."""
    new_class_counts: dict[str, dict[str, int]] | None = None
    """The same, only of rows that this run answered; empty for a retry or a part of the input."""
    drift: dict[str, dict[str, Any]] = field(default_factory=dict)
    """How the new labels differ from those of the last run, by label field."""
    votes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """How much several answers to a row agree, by label field."""
    gold: dict[str, Any] | None = None
    """The comparison with gold labels; null when the job has none."""
    confidence: dict[str, Any] | None = None
    """How well the stated confidence matches the accuracy; null without gold labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts(JsonRecord):
    """What is known of a run before it has ended."""

    schema_version: Literal[2] = SCHEMA_VERSION
    run_id: str
    """The name of the run's folder; ids sort by time."""
    job: str
    job_file: str | None = None
    """The absolute path of the job file; null in the record of an old version."""
    state: Literal["running", "ended"] = "running"
    exit_code: int | None = None
    """The exit code of the command; null while the run goes on."""
    reason: str | None = None
    """Why the run stopped early; null when it did not."""
    next: str | None = None
    """The batcher command to run next; null when the exit code decides."""
    started: Time
    ended: Time | None = None
    is_simulated: bool
    plan: PlanCounts | None = None
    """What the run was going to do; null before it has read its input."""
    versions: dict[str, str]
    prices_date: date
    """The date of the price table."""
    price_overrides: tuple[str, ...]
    """The models whose prices the job file gives."""
    price_overrides_date: date | None = None
    overrides: tuple[str, ...]
    """The keys of the job file that --set replaced."""
    scope: tuple[str, ...] = ()
    """The overrides that chose the rows of the run, such as input.limit=20."""
    is_pilot: bool = False
    """Whether it was a pilot, which sends a sample and writes no output."""
    usd: PlannedMoney | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary(RunFacts):
    """The summary of a run that has ended."""

    state: Literal["ended"]
    exit_code: int
    """The exit code of the command."""
    ended: Time
    plan: PlanCounts
    """What the run was going to do."""
    usd: RunMoney
    rows: RowCounts
    attempts: AttemptCounts
    tokens: dict[str, int]
    """The tokens of all responses, by the API's names of their kinds."""
    bill: tuple[BillLine, ...] = ()
    """The itemised cost of this run."""
    waste: WasteSummary | None = None
    repairs: RepairSummary | None = None
    collected: Collected | None = None
    """What this run received for batches of earlier runs; null in the record of an old version."""
    checkpoint: Totals
    """The totals of all runs that share the checkpoint."""
    latency_s: Percentiles
    """The latency of answers, in seconds."""
    ttft_s: Percentiles = field(default_factory=dict)
    """The time to the first token, in seconds; null without streams."""
    output_tokens_per_s: Percentiles = field(default_factory=dict)
    """Output tokens a second, over the whole latency of an answer."""
    models: dict[str, int]
    """The answers of each model."""
    errors: tuple[ErrorCount, ...]
    seconds_by_limiter: dict[str, float]
    """The seconds during which each limiter set the pace."""
    observed_limits: dict[str, dict[Kind, KnownLimit]]
    """The rate limits of the API, by group of models that share them."""
    quality: QualitySummary | None = None
    """The quality of the labels; null without labels, and when no output was written."""
    output: tuple[OutputFile, ...]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "RunSummary":
        """Read run.json of this or an older version; raise ValueError when it is damaged."""
        return from_json(cls, upgraded(content))
