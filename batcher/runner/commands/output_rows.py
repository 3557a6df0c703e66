"""Reads the rows of a job's output: from the output when it is current, else as it would be now."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from batcher.core.row import BadRow, Row
from batcher.core.run_record.run_summary import RunSummary
from batcher.errors import BatcherError
from batcher.inputs.formats.python_values import python_values
from batcher.inputs.job_file.load import LoadedJob
from batcher.outputs.seal import read_seal
from batcher.runner.commands.results import check_has_run, open_results
from batcher.runner.commands.status import read_status
from batcher.runner.job_context import JobContext, open_job
from batcher.runner.planning.output_layout import layout_of
from batcher.runner.workspace import Workspace
from batcher.runner.writing.output import content_of, result_tables
from batcher.store.watermark import Watermark

_BATCH_ROWS = 4_096


@dataclass(frozen=True, slots=True)
class Part:
    """Whole rows of an output, and the cell of the gold column for each item."""

    table: pa.Table
    gold: Sequence[object]


@dataclass(frozen=True, slots=True)
class OutputRows:
    """The rows of an output, in order; usable only inside ``open_rows``."""

    context: JobContext
    schema: pa.Schema
    parts: Iterator[Part]
    read_from: Literal["output", "checkpoint"]

    @property
    def prefix(self) -> str:
        """The prefix of batcher's own columns."""
        return self.context.job.output.prefix


@contextmanager
def open_rows(loaded: LoadedJob, *, is_simulated: bool, needs_gold: bool) -> Iterator[OutputRows]:
    """Open the rows of a job, also of one that has not ended; ``needs_gold`` asks for gold cells.

    Raises ConfigurationError when the job has not run yet, and LockedError while a run goes on.
    """
    workspace = Workspace.of(loaded, is_simulated=is_simulated)
    check_has_run(workspace, loaded)
    context = open_job(loaded, is_simulated=is_simulated, today=datetime.now(UTC).date())
    files = _current_files(context)
    if files and not (needs_gold and not _has_gold(context, files[0])):
        schema = pq.read_schema(files[0]).remove_metadata()
        yield OutputRows(context, schema, _parts(context, files), "output")
        return
    with open_results(loaded, is_simulated=is_simulated) as results:
        layout, cells = layout_of(results.context, results.plan), _GoldCells(results.context)
        tables = result_tables(results.context, results.plan, results.db, layout, cells)
        parts = (Part(table, cells.take()) for table in tables)
        yield OutputRows(results.context, layout.schema, parts, "checkpoint")


def _current_files(context: JobContext) -> list[Path]:
    """Return the files of the output when it is what an export would write now; else none.

    It is when the last run has written it, nothing was recorded afterwards, and neither the job
    nor the input has changed.
    """
    workspace = context.workspace
    seal = read_seal(workspace.state)
    if seal is None or seal.job != content_of(context):
        return []
    try:
        observed, mark = read_status(workspace.status), Watermark(workspace.state).read()
    except (BatcherError, OSError):
        return []
    run = observed.run
    if not isinstance(run, RunSummary) or mark is None:
        return []
    written = [(file.path, file.sha256) for file in run.output]
    is_last = written == [(file.path, file.sha256) for file in seal.files]
    is_all = observed.status.process.commit_seq == mark.records
    if not is_last or not is_all or seal.changed_files(workspace.output):
        return []
    output = workspace.output
    return [output / Path(file.path).name if output.is_dir() else output for file in seal.files]


def _has_gold(context: JobContext, file: Path) -> bool:
    """Whether the output has the gold column as the input has it; JSONL is converted."""
    gold = context.gold
    is_kept = gold is not None and gold.column in pq.read_schema(file).names
    return is_kept and context.source.schema is not None


def _parts(context: JobContext, files: Sequence[Path]) -> Iterator[Part]:
    gold = context.gold
    waiting: list[pa.Table] = []
    for file in files:
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(_BATCH_ROWS):
                waiting.append(pa.Table.from_batches([batch]).replace_schema_metadata())
                table = pa.concat_tables(waiting)
                whole = table.num_rows - table.num_rows % context.samples
                waiting = [table.slice(whole)]
                if whole:
                    yield _part(table.slice(0, whole), None if gold is None else gold.column)


def _part(table: pa.Table, gold: str | None) -> Part:
    has_gold = gold is not None and gold in table.column_names
    return Part(table, values_of(table, str(gold)) if has_gold else [None] * table.num_rows)


def values_of(table: pa.Table, name: str) -> list[object]:
    """Return the values of a column as a row of an input has them."""
    return [value for chunk in table.column(name).chunks for value in python_values(chunk)]


@dataclass(slots=True)
class _GoldCells:
    """Collects the gold cells of rows while their output is made."""

    context: JobContext
    _cells: list[object] = field(default_factory=list)

    def see(self, rows: Sequence[Row | BadRow], _values: object, _results: pa.Table) -> None:
        column = self.context.job.labels.gold
        if self.context.gold is None or column is None:
            self._cells += [None] * len(rows)
            return
        self._cells += [None if isinstance(row, BadRow) else row.values.get(column) for row in rows]

    def take(self) -> list[object]:
        """Return the cells since the last call."""
        cells, self._cells = self._cells, []
        return cells
