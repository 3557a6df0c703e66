"""Reads the history of a job's runs from their files; needs neither input nor checkpoint."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from batcher.core.run_record.history import RunLine, Trend, line_of, line_of_summary, trend
from batcher.runner.commands.status import ObservedRun, read_status
from batcher.runner.run_history import RunHistory


@dataclass(frozen=True, slots=True)
class JobRuns:
    """The last runs of a job, the oldest first; ``last`` is the one that status.json is about."""

    last: ObservedRun
    lines: tuple[RunLine, ...]

    @property
    def trend(self) -> Trend | None:
        """The last run beside those before it."""
        return trend(self.lines)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object for programs."""
        progress, compared = self.last.progress, self.trend
        return {
            "job": self.last.run.job,
            "folder": str(self.last.folder),
            "is_simulated": self.last.run.is_simulated,
            "progress": None if progress is None else progress.to_json(),
            "trend": None if compared is None else compared.to_json(),
            "runs": [line.to_json() for line in self.lines],
        }


def read_runs(status: Path, number: int) -> JobRuns:
    """Read the last runs of the job with this status file; raise BatcherError when it is damaged.

    A run without a record of its own was killed, or sent nothing: only the last one is known.
    """
    last = read_status(status)
    summaries = list(islice(RunHistory(last.folder).summaries(), number))
    lines = [line_of_summary(run) for run in reversed(summaries)]
    if all(line.run_id < last.run.run_id for line in lines):
        lines.append(line_of(last.run, last.state, last.status.rows, last.status.usd))
    return JobRuns(last, tuple(lines[-number:]))
