"""Notices about the end of a run: when to send one and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from batcher.core.money.display import rounded_text
from batcher.core.plural import counted
from batcher.core.run_record.run_summary import RunSummary
from batcher.exit_codes import ExitCode

Event = Literal["finish", "failure", "budget"]

_INTERRUPTED = (130, 143)
_ENDINGS: Mapping[int, str] = {
    0: "finished",
    1: "stopped by an unexpected error",
    2: "not started: the job file or the input is wrong",
    3: "finished; not every row succeeded",
    4: "stopped: the API refused the key or the model, or a spend limit is reached",
    5: "ended with rows left: their attempts failed for reasons that may pass",
    6: "stopped: the budget is reached; not every row is answered",
    7: "stopped: the time limit is reached; not every row is answered",
    8: "not started: another process runs this job",
    9: "not started: the saved plan no longer fits",
    10: "not started: it needs confirmation (--yes)",
}


class NotDelivered(Exception):  # noqa: N818 - an expected ending, not a bug
    """A notice was not delivered; the message says why, without address, token or content."""


def event_of(exit_code: int) -> Event | None:
    """Return the event of an exit code; None when a user interrupted the run."""
    if exit_code in _INTERRUPTED:
        return None
    if exit_code in (ExitCode.OK, ExitCode.ROWS_FAILED):
        return "finish"
    return "budget" if exit_code == ExitCode.BUDGET_REACHED else "failure"


@dataclass(frozen=True, slots=True)
class Notice:
    """A few facts about the end of a run; never a row's values, a prompt, an answer or an error.

    ``summary`` is None when the run ended without one. ``next`` is the next command to type.
    """

    event: Event
    job: str
    run_id: str
    exit_code: int
    state: str
    summary: RunSummary | None
    started: datetime
    ended: datetime
    next: str

    @property
    def text(self) -> str:
        """The notice as one line, for chat programs."""
        line = f"{self.job}: {_ENDINGS.get(self.exit_code, 'stopped')} (exit {self.exit_code})"
        if self.summary is not None:
            rows = self.summary.rows
            counts = sorted(rows.by_status.items())
            statuses = "".join(f", {number:,} {status}" for status, number in counts)
            line += f"; {counted(rows.total, 'row')}{statuses}"
            line += f"; {rounded_text(self.summary.usd.spent)} spent"
        return f"{line}. Next: {self.next}"

    def content(self) -> dict[str, Any]:
        """Return the notice for JSON; ``rows`` and ``usd`` are those of run.json."""
        summary = self.summary
        return {
            "text": self.text,
            "event": self.event,
            "job": self.job,
            "run_id": self.run_id,
            "exit_code": self.exit_code,
            "state": self.state,
            "rows": None if summary is None else summary.rows.to_json(),
            "usd": None if summary is None else summary.usd.to_json(),
            "started": self.started.isoformat(),
            "ended": self.ended.isoformat(),
            "next": self.next,
        }
