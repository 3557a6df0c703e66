"""The status of a run: the content of status.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer

from batcher.core.json_form import JsonRecord, from_json
from batcher.core.run_record.older_versions import upgraded
from batcher.core.run_record.run_summary import RowCounts, RunFacts, RunMoney, RunSummary, Time

Phase = Literal["planning", "waiting", "sending", "writing"]

TimeMs = Annotated[
    datetime,
    PlainSerializer(lambda time: time.isoformat(timespec="milliseconds"), return_type=str),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingRows(RowCounts):
    """Counts of rows while requests are sent."""

    to_send: int
    """The requests of this run."""
    done: int
    """Requests of this run that have a final result."""
    failed: int
    """Those of them without a good answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures(JsonRecord):
    """What a run has done so far."""

    rows: SendingRows
    usd: RunMoney
    tokens: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingPace(JsonRecord):
    """How fast a run is sending."""

    in_flight: int
    """Attempts without a response yet."""
    retried: int
    rate: float
    """Answers a second."""
    eta_s: int | None
    limiter: str
    """What limits the pace now."""
    seconds_by_limiter: dict[str, float]
    wait_s: int = 0
    """How long a pause still lasts in which nothing is sent."""
    wait_type: str | None = None
    """The error type of the last response that asked for a wait; null without a pause."""
    batches: int = 0
    """Batches that are not collected yet."""
    in_batches: int = 0
    """Requests in these batches."""
    oldest_batch_s: int | None = None
    """How old the oldest of them is; null without any."""
    next_batch_s: int | None = None
    """In how many seconds the next one is likely to end; null when that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a run is doing; a run that has ended early keeps its figures."""

    phase: Phase | None = None
    rows_read: int | None = None
    """Rows of the input that this pass over it has read."""
    figures: Figures | None = None
    pace: SendingPace | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the keys that have a value."""
        content: dict[str, Any] = {"phase": self.phase, "rows_read": self.rows_read}
        content = {key: value for key, value in content.items() if value is not None}
        for part in (self.figures, self.pace):
            content |= {} if part is None else part.to_json()
        return content


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousRun(JsonRecord):
    """How the previous run ended, for a program that was following that run."""

    run_id: str
    exit_code: int | None
    ended: Time | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProcess(JsonRecord):
    """The process of a run, and when it last wrote its status."""

    pid: int
    process_start: int | None = None
    """When the process started, in clock ticks since the boot."""
    host: str
    boot_id: str
    heartbeat: TimeMs
    commit_seq: int | None = None
    """The number of records in the checkpoint; null before it is open."""
    previous: PreviousRun | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """The status of a run; in JSON the keys of its parts are side by side.

    ``run`` is the RunSummary when the run has ended, unless it ended early.
    """

    run: RunFacts
    process: RunProcess
    moment: Moment = Moment()

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "RunStatus":
        """Read status.json of this or an older version; raise ValueError when it is damaged."""
        content = upgraded(content)
        process = from_json(RunProcess, content)
        if content["state"] == "ended" and "attempts" in content:
            return cls(run=from_json(RunSummary, content), process=process)
        has_figures = content.get("rows") is not None
        moment = Moment(
            phase=content.get("phase"),
            rows_read=content.get("rows_read"),
            figures=from_json(Figures, content) if has_figures else None,
            pace=from_json(SendingPace, content) if has_figures and "rate" in content else None,
        )
        return cls(run=from_json(RunFacts, content), process=process, moment=moment)

    @property
    def rows(self) -> RowCounts | None:
        """The counts of rows, as far as the run has got; None before it sends."""
        if isinstance(self.run, RunSummary):
            return self.run.rows
        return None if self.moment.figures is None else self.moment.figures.rows

    @property
    def usd(self) -> RunMoney | None:
        """What the run has cost; None before it sends."""
        if isinstance(self.run, RunSummary):
            return self.run.usd
        return None if self.moment.figures is None else self.moment.figures.usd

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the file."""
        return {**self.run.to_json(), **self.moment.to_json(), **self.process.to_json()}
