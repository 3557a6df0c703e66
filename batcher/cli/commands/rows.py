"""batcher rows: shows rows of the output, or writes them to a file."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import click
import pyarrow as pa

from batcher.cli.command_line import job_command
from batcher.cli.messages import escaped_json, print_line, printable, say
from batcher.cli.options import job_argument, load, set_option, simulate_option
from batcher.cli.private_files import write_private_files
from batcher.cli.run_options import overwrite_option
from batcher.cli.table import layout
from batcher.core.answers.outcome import Status
from batcher.core.output_rows.choice import FAILED, RowChoice
from batcher.core.plural import counted
from batcher.errors import ConfigurationError
from batcher.outputs.csv_lines import csv_header, csv_lines
from batcher.outputs.jsonl_output import json_lines, json_rows
from batcher.runner.commands.output_rows import OutputRows, open_rows
from batcher.runner.commands.rows import (
    Counts,
    FileFormat,
    Wanted,
    check_columns,
    check_new_file,
    choice_of,
    chosen_tables,
    names_of,
    sampled,
    write_rows,
)

Format = Literal["table", "jsonl", "csv"]

_STATUSES = (FAILED, *(status.value for status in Status), "pending", "unsent")
_ENDINGS: Mapping[str, FileFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}
_ROWS_MEASURED = 100
_WIDTH_WITHOUT_TERMINAL = 120


@click.command("rows", epilog="Example: batcher rows job.toml --status failed --columns _id,_text")
@job_argument
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(_STATUSES),
    metavar="STATUS",
    help="Rows of this status, such as refused; may be repeated. failed: all but succeeded and "
    "skipped.",
)
@click.option(
    "--where",
    metavar="EXPRESSION",
    help="Rows for which a condition on the output's columns holds, as input.where.",
)
@click.option("--disagrees", is_flag=True, help="Rows whose label differs from their gold label.")
@click.option(
    "--low-confidence",
    type=float,
    metavar="NUMBER",
    help="Answers that state a confidence below this number.",
)
@click.option("--split-votes", is_flag=True, help="Rows whose several answers have other labels.")
@click.option(
    "--sample",
    "size",
    type=click.IntRange(min=1),
    metavar="N",
    help="N random ones of these rows, in order.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another one, another sample.")
@click.option(
    "--columns",
    metavar="NAMES",
    help="The columns, separated by commas. Default: all; in a table those that say most.",
)
@click.option("--ids", "as_ids", is_flag=True, help="Print only the ids of the rows, one a line.")
@click.option(
    "--format",
    "wanted",
    type=click.Choice(["table", "jsonl", "csv"]),
    help="Default: a table on a terminal, else jsonl.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a file: .jsonl, .csv or .parquet.",
)
@overwrite_option
@simulate_option
@set_option
def command(
    job: Path,
    *,
    statuses: tuple[str, ...],
    where: str | None,
    low_confidence: float | None,
    size: int | None,
    seed: int,
    columns: str | None,
    wanted: Format | None,
    out: Path | None,
    overrides: tuple[str, ...],
    disagrees: bool,
    split_votes: bool,
    as_ids: bool,
    overwrites: bool,
    is_simulated: bool,
) -> int:
    """Show rows of the output: all, or those for which every given condition holds.

    Also before the job has ended: rows without an answer are unsent or pending. Nothing is sent.
    With --ids a row whose id is missing, doubled or not one plain word is row:N, its number; other
    commands accept it.
    """
    given = Wanted(frozenset(statuses), where, disagrees, low_confidence, split_votes)
    file_format = _check(out, wanted, columns, as_ids=as_ids)
    loaded = load(job, overrides)
    with open_rows(loaded, is_simulated=is_simulated, needs_gold=disagrees) as rows:
        choice, counts = choice_of(rows, given), Counts()
        names = None if columns is None else _names(rows, columns)
        if out is not None:
            check_new_file(rows, out, overwrites=overwrites)
            write_private_files()
        tables = chosen_tables(rows, choice, counts)
        if size is not None:
            tables = iter([sampled(rows, tables, size, seed)])
        if as_ids:
            for name in names_of(rows, tables):
                print_line(name)
        elif out is not None and file_format is not None:
            schema, tables = _selected(rows.schema, tables, names)
            write_rows(out, file_format, schema, tables)
        else:
            _print(rows, tables, names, wanted or ("table" if sys.stdout.isatty() else "jsonl"))
        _say_counts(rows, choice, counts, size, seed)
    if out is not None:
        say(f"wrote  {os.path.relpath(out)}")
    say(f"next   {_next(statuses, counts)}")
    return 0


def _check(
    out: Path | None, wanted: Format | None, columns: str | None, *, as_ids: bool
) -> FileFormat | None:
    """Refuse options that contradict each other; return the format of the file."""
    if as_ids and (wanted or out or columns):
        raise click.UsageError("--ids goes without --format, --out and --columns")
    if out is None:
        return None
    if wanted is not None:
        raise click.UsageError("the ending of --out is the format; leave --format out")
    if out.suffix not in _ENDINGS:
        raise ConfigurationError(
            f"{out} has an ending that names no format", hint="end it in .jsonl, .csv or .parquet"
        )
    return _ENDINGS[out.suffix]


def _names(rows: OutputRows, columns: str) -> list[str]:
    """Return the named columns; a name with a comma is only found alone."""
    names = [columns] if columns in rows.schema.names else columns.split(",")
    names = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    if not names:
        raise click.UsageError("--columns needs the name of a column")
    check_columns(rows, names)
    return names


def _selected(
    schema: pa.Schema, tables: Iterator[pa.Table], names: list[str] | None
) -> tuple[pa.Schema, Iterator[pa.Table]]:
    if names is None:
        return schema, tables
    return pa.schema([schema.field(name) for name in names]), (
        table.select(names) for table in tables
    )


def _print(
    rows: OutputRows, tables: Iterator[pa.Table], names: list[str] | None, wanted: Format
) -> None:
    if wanted == "table":
        _print_table(rows, tables, names)
        return
    schema, tables = _selected(rows.schema, tables, names)
    if wanted == "jsonl":
        for line in chain.from_iterable(map(json_lines, tables)):
            click.echo(escaped_json(line.decode()))
        return
    is_terminal = sys.stdout.isatty()
    for line in chain([csv_header(schema.names)], chain.from_iterable(map(csv_lines, tables))):
        click.echo(printable(line.decode()) if is_terminal else line.decode())


def _print_table(rows: OutputRows, tables: Iterator[pa.Table], names: list[str] | None) -> None:
    """Print a table; the first rows decide its columns and their widths."""
    candidates = names or _telling(rows)
    found = chain.from_iterable(json_rows(table.select(candidates)) for table in tables)
    first = list(islice(found, _ROWS_MEASURED))
    shown = names or [name for name in candidates if any(_has(row[name]) for row in first)]
    if not first:
        return
    width = shutil.get_terminal_size((_WIDTH_WITHOUT_TERMINAL, 24)).columns
    chosen = layout(shown or candidates, first, width)
    print_line(chosen.header)
    for row in chain(first, found):
        print_line(chosen.line(row))
    if chosen.left_out:
        left_out = ", ".join(chosen.left_out)
        say(f"note   {left_out}: no room in {width} cells; choose with --columns")


def _has(value: Any) -> bool:
    return value is not None and value != ""


def _telling(rows: OutputRows) -> list[str]:
    """Return the columns that say most about a row, the first ones first."""
    context, own = rows.context, rows.prefix
    labels = [] if context.loaded.labels is None else list(context.loaded.labels.columns)
    section, spec = context.job.labels, context.job.input
    answer = [own + "sample", own + "status", section.gold, *(labels or [own + "text"])]
    why = [own + "error_type", own + "error_message"]
    asked = sorted(context.maker.builder.required_columns)
    names = [own + "id", *answer, *why, *asked, own + "cost_usd"]
    without = {spec.id, own + "sample" if context.samples == 1 else None}
    known = set(rows.schema.names) - without
    return [name for name in dict.fromkeys(names) if name is not None and name in known]


def _say_counts(
    rows: OutputRows, choice: RowChoice, counts: Counts, size: int | None, seed: int
) -> None:
    """Say on stderr how many rows there are, so that a sample is not taken for all."""
    unit = "row" if rows.context.samples == 1 else "answer"
    text = f"{counts.chosen:,} of {counted(counts.read, unit)}"
    if size is not None and size < counts.chosen:
        text = f"{size:,} random ones of {text}, seed {seed}"
    say(f"rows   {text}")
    if (left := choice.unevaluated) is not None:
        failed = counted(left.items, unit)
        say(f"note   --where could not be evaluated for {failed}: {left.first_reason}")


def _next(statuses: tuple[str, ...], counts: Counts) -> str:
    if counts.chosen and set(statuses) - {"succeeded", "skipped"}:
        return job_command("failures")
    return job_command("show", "ID") if counts.chosen else job_command("status")
