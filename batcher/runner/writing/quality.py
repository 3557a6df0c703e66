"""Measures the labels of a run, row by row, while the output is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from batcher.core.quality.tally import Tally, ValidAnswer
from batcher.core.row import BadRow, Row
from batcher.runner.job_context import JobContext
from batcher.runner.run_history import RunHistory


@dataclass(slots=True)
class Quality:
    """Feeds a tally with the chunks of an output.

    Answers that runs after ``last_run_id`` received are new. It is the last run that recorded label
    counts, so answers of a killed run count with the run that resumes it.
    """

    tally: Tally
    samples: int
    last_run_id: str = ""
    _answers: list[ValidAnswer] = field(default_factory=list)
    _is_new: bool = False

    @classmethod
    def of(cls, context: JobContext, run_id: str, *, is_whole: bool) -> "Quality | None":
        """Return the measure of a job; None for a job without labels. ``run_id`` is this run.

        Only a whole run is compared with the last whole run: the rows of a retry, or of a part of
        the input, are not a fair sample.
        """
        labels = context.loaded.labels
        if labels is None:
            return None
        last_run_id, previous = _last_counts(context, run_id)
        tally = Tally(labels.columns, context.gold, previous, is_whole=is_whole)
        return cls(tally, context.samples, last_run_id)

    def see(
        self, rows: Sequence[Row | BadRow], values: Sequence[ValidAnswer], results: pa.Table
    ) -> None:
        """Add the items of a chunk, each with its row and the value of its answer."""
        runs, shared = (results.column(name).to_pylist() for name in ("received_by", "is_shared"))
        for row, value, run_id, is_shared in zip(rows, values, runs, shared, strict=True):
            self._answers.append(value)
            self._is_new |= not is_shared and (run_id or "") > self.last_run_id
            if len(self._answers) < self.samples:
                continue
            self.tally.add(self._gold(row), self._answers, is_new=self._is_new)
            self._answers, self._is_new = [], False

    def _gold(self, row: Row | BadRow) -> object:
        if self.tally.gold is None or isinstance(row, BadRow):
            return None
        return row.values.get(self.tally.gold.column)


def _last_counts(context: JobContext, run_id: str) -> tuple[str, Mapping[str, Mapping[str, int]]]:
    """Return the last run before this one with label counts, and the last ones of a whole run.

    The counts are of the labels that were new in that run, by field and class.
    """
    last = ""
    for summary in RunHistory(context.workspace.state).summaries(before=run_id):
        quality = summary.quality
        if quality is None or quality.new_class_counts is None:
            continue
        last = last or summary.run_id
        if quality.new_class_counts:
            return last, quality.new_class_counts
    return last, {}
