"""Chooses rows of a job's output, draws a sample of them, and writes them to a file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from batcher.core.nearest import nearest
from batcher.core.output_rows.choice import Item, LowConfidence, RowChoice
from batcher.core.output_rows.row_name import row_name
from batcher.core.output_rows.sample import lot, positions_of
from batcher.core.quality.votes import voted_fields
from batcher.core.template.template import Expression
from batcher.errors import ConfigurationError
from batcher.inputs.chunk import take
from batcher.outputs.csv_lines import csv_header, csv_lines
from batcher.outputs.jsonl_output import LinesOutput, json_lines
from batcher.outputs.parquet_output import ParquetOutput
from batcher.runner.commands.out_path import check_out
from batcher.runner.commands.output_rows import OutputRows, Part, values_of
from batcher.runner.job_context import JobContext

FileFormat = Literal["jsonl", "csv", "parquet"]

_CONFIDENCE = "confidence"
_NUMBERS = ("int64", "double")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The rows that a user asks for."""

    statuses: frozenset[str] = frozenset()
    where: str | None = None
    disagrees: bool = False
    low_confidence: float | None = None
    split_votes: bool = False


@dataclass(slots=True)
class Counts:
    """How many items were read, and how many were chosen."""

    read: int = 0
    chosen: int = 0


def choice_of(rows: OutputRows, wanted: Wanted) -> RowChoice:
    """Return the choice; raise ConfigurationError when this job does not have what it needs."""
    where = None if wanted.where is None else Expression(wanted.where, "--where")
    if where is not None:
        check_columns(rows, sorted(where.names()))
    context, low = rows.context, wanted.low_confidence
    if wanted.disagrees and context.gold is None:
        raise ConfigurationError(
            "--disagrees needs gold labels, and the job names none",
            hint="name the column with the correct labels in labels.gold",
        )
    return RowChoice(
        statuses=wanted.statuses,
        where=where,
        gold=context.gold if wanted.disagrees else None,
        low_confidence=None if low is None else LowConfidence(_confidence(context), low),
        split=_split_fields(context) if wanted.split_votes else (),
    )


def _confidence(context: JobContext) -> str:
    """Return the label with the stated confidence, as the quality report finds it."""
    labels = {} if context.loaded.labels is None else context.loaded.labels.columns
    for name, column in labels.items():
        if name.lower().endswith(_CONFIDENCE) and column.kind in _NUMBERS:
            return name
    raise ConfigurationError(
        "--low-confidence needs a label with a number whose name ends in confidence",
        hint='add one to the job, such as labels.fields = "label: a|b, confidence float"',
    )


def _split_fields(context: JobContext) -> tuple[str, ...]:
    """Return the labels whose votes are compared: the choices, or without any all that can be."""
    labels = {} if context.loaded.labels is None else context.loaded.labels.columns
    if context.samples == 1 or not labels:
        raise ConfigurationError(
            "--split-votes needs several labelled answers to a row",
            hint="set request.samples to 3 or more, and labels.fields",
        )
    voted = voted_fields(labels)
    return tuple(name for name in voted if labels[name].is_choice) or voted


def check_columns(rows: OutputRows, names: Sequence[str]) -> None:
    """Raise ConfigurationError for a name that is not a column of the output."""
    known = rows.schema.names
    for name in names:
        if name not in known:
            guess = nearest(name, known)
            columns = f"columns of the output: {', '.join(known)}"
            raise ConfigurationError(
                f"the output has no column {name}", hint=" ".join(filter(None, [guess, columns]))
            )


def chosen_tables(rows: OutputRows, choice: RowChoice, counts: Counts) -> Iterator[pa.Table]:
    """Yield the chosen items in order, a chunk at a time; ``counts`` counts meanwhile."""
    names = choice.columns(rows.schema.names)
    for part in rows.parts:
        positions = _positions(rows, part, choice, names)
        counts.read += part.table.num_rows
        counts.chosen += len(positions)
        if len(positions) == part.table.num_rows:
            yield part.table
        elif positions:
            yield take(part.table, positions)


def _positions(rows: OutputRows, part: Part, choice: RowChoice, names: frozenset[str]) -> list[int]:
    """Return the positions of the chosen items in a part."""
    columns = {
        name: values_of(part.table, name) for name in names if name in part.table.column_names
    }
    statuses = part.table.column(f"{rows.prefix}status").to_pylist()
    items = [
        Item(status, {name: values[at] for name, values in columns.items()})
        for at, status in enumerate(statuses)
    ]
    samples, positions = rows.context.samples, []
    for first in range(0, len(items), samples):
        row = items[first : first + samples]
        is_chosen = choice.chosen(row, part.gold[first])
        positions += [first + at for at, chosen in enumerate(is_chosen) if chosen]
    return positions


def sampled(rows: OutputRows, tables: Iterator[pa.Table], size: int, seed: int) -> pa.Table:
    """Draw a sample of the items, in their order; never more than it and a chunk is in memory."""
    sample, lots = rows.schema.empty_table(), list[int]()
    for table in tables:
        numbers, samples = (
            table.column(rows.prefix + name).to_pylist() for name in ("row", "sample")
        )
        lots += [lot(seed, *key) for key in zip(numbers, samples, strict=True)]
        positions = positions_of(lots, size)
        lots = [lots[at] for at in positions]
        sample = take(pa.concat_tables([sample, table]), positions).combine_chunks()
    return sample


def names_of(rows: OutputRows, tables: Iterator[pa.Table]) -> Iterator[str]:
    """Yield the name of each row once, as other commands take it."""
    last = None
    for table in tables:
        columns = ("row", "id", "error_type")
        values = (table.column(rows.prefix + name).to_pylist() for name in columns)
        for row, row_id, error_type in zip(*values, strict=True):
            if row != last:
                yield row_name(row, row_id, error_type)
            last = row


def write_rows(
    path: Path, wanted: FileFormat, schema: pa.Schema, tables: Iterator[pa.Table]
) -> None:
    """Write rows to a new file, or nothing."""
    if wanted == "parquet":
        with ParquetOutput(path, schema, rows_per_file=None) as parquet:
            for table in tables:
                parquet.write(table)
            parquet.finish(None)
        return
    with LinesOutput(path) as file:
        if wanted == "csv":
            file.write([csv_header(schema.names)])
        for table in tables:
            file.write(csv_lines(table) if wanted == "csv" else json_lines(table))
        file.finish()


def check_new_file(rows: OutputRows, path: Path, *, overwrites: bool) -> None:
    """Refuse a path that cannot be written, a part of the job, and a file that is there."""
    check_out(rows.context, path)
    if path.exists() and not overwrites:
        raise ConfigurationError(
            f"{path} exists", hint="choose another --out, or add --overwrite to replace it"
        )
