"""The earlier runs of a job, as their run.json files record them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batcher.core.pace.kinds import Kind, KnownLimit
from batcher.core.run_record.run_summary import RunSummary


@dataclass(frozen=True, slots=True)
class RunHistory:
    """The runs in a state folder that have a run.json, of this or an older version."""

    state: Path

    @property
    def run_ids(self) -> list[str]:
        """The ids of the runs, the last one first."""
        return sorted((path.parent.name for path in self.state.glob("*/run.json")), reverse=True)

    def summary(self, run_id: str) -> RunSummary | None:
        """Return the summary of a run; None when its run.json is missing or damaged."""
        try:
            content = json.loads((self.state / run_id / "run.json").read_bytes())
            return RunSummary.from_json(content)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None

    def summaries(self, before: str | None = None) -> Iterator[RunSummary]:
        """Yield the summaries of runs before the run ``before``, or of all; the last one first."""
        for run_id in self.run_ids:
            if before is not None and run_id >= before:
                continue
            summary = self.summary(run_id)
            if summary is not None:
                yield summary

    def last_scope(self) -> tuple[str, ...]:
        """Return the overrides that chose the rows of the last run that has sent something.

        A pilot sends a sample, which is not what the job is about.
        """
        last = next((run for run in self.summaries() if not run.is_pilot), None)
        if last is None:
            return ()
        is_old = not last.scope and "input.limit" in last.overrides  # before 0.7: without values
        return (f"input.limit={last.plan.rows}",) if is_old else last.scope

    def learned_limits(self) -> dict[str, KnownLimit]:
        """Return the limits by group of models that the last run with each learned from refusals.

        A run that was never refused, or whose limit the headers tell, leaves nothing to start from.
        """
        learned: dict[str, KnownLimit] = {}
        groups: set[str] = set()
        for summary in self.summaries():
            for group, limits in summary.observed_limits.items():
                limit = limits.get(Kind.REQUESTS)
                if group not in groups and limit is not None and limit.is_learned:
                    learned[group] = limit
                groups.add(group)
        return learned
