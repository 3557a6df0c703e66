"""Writes the output again, elsewhere or in another format, from what is recorded."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from batcher.errors import ConfigurationError
from batcher.outputs.atomic import check_replaceable
from batcher.outputs.jsonl_output import LinesOutput, batch_result_lines, json_lines
from batcher.runner.commands.results import Reading, last_run_id
from batcher.runner.planning.output_layout import layout_of
from batcher.runner.workspace import Workspace
from batcher.runner.writing.output import Target, export_parquet, result_tables
from batcher.store.plans import count_open, count_statuses, read_results

Format = Literal["parquet", "jsonl", "messages-batch"]

_ENDINGS = {"jsonl": ".jsonl", "messages-batch": ".results.jsonl"}
_STRETCH = 1024


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: the file or folder, its rows by status, and how many may still change."""

    path: Path
    format: Format
    items: int
    by_status: dict[str, int]
    open_items: int


def default_path(workspace: Workspace, wanted: Format) -> Path:
    """Name the output of a format: the job's own, or a file beside it."""
    if wanted == "parquet":
        return workspace.output
    return workspace.output.with_suffix(_ENDINGS[wanted])


def write_export(read: Reading, path: Path, wanted: Format, *, is_partial: bool) -> Written:
    """Write the output whole or not at all.

    Raises ConfigurationError when rows are open and ``is_partial`` is not set, or when ``path``
    cannot be, or should not be, written.
    """
    allowance = read.context.job.retry.unknown_attempts
    still_open = read.db(count_open, allowance)
    items = read.plan.counts.items
    if still_open and not is_partial:
        raise ConfigurationError(
            f"{still_open:,} of {items:,} rows have no final result yet",
            hint="run the job to its end first, or add --partial to export what is there",
        )
    _check_path(read, path, wanted)
    if wanted == "parquet":
        target = Target(path, last_run_id(read))
        export_parquet(read.context, read.plan, read.db, target)
    else:
        with LinesOutput(path) as file:
            for lines in _lines(read, wanted):
                file.write(lines)
            file.finish()
    return Written(path, wanted, items, read.db(count_statuses), still_open)


def _lines(read: Reading, wanted: Format) -> Iterator[Iterator[bytes]]:
    if wanted == "jsonl":
        layout = layout_of(read.context, read.plan)
        for table in result_tables(read.context, read.plan, read.db, layout):
            yield json_lines(table)
        return
    for first in range(0, len(read.plan.to_send), _STRETCH):
        results = read.db(read_results, first, first + _STRETCH - 1)
        yield batch_result_lines(results, has_samples=read.context.samples > 1)


def _check_path(read: Reading, path: Path, wanted: Format) -> None:
    """Refuse a path that cannot be written, or that holds what the export is made from."""
    check_replaceable(path)
    context, loaded = read.context, read.context.loaded
    request, whole = loaded.job.request, path.resolve()
    texts = [loaded.folder / name for name in (request.system_file, request.prompt_file) if name]
    ours = [stamp.path for stamp in context.source.files] + [loaded.path, *texts]
    if wanted != "parquet":
        ours.append(context.workspace.output)
    is_state = whole.is_relative_to(context.workspace.state.resolve())
    if is_state or any(whole == one.resolve() for one in ours):
        raise ConfigurationError(
            f"{path} is part of the job and must not be overwritten", hint="choose another --out"
        )
    if not path.parent.is_dir():
        raise ConfigurationError(
            f"the folder {path.parent} does not exist",
            hint=f"make it first: mkdir -p {path.parent}",
        )
    if wanted != "parquet" and path.is_dir():
        raise ConfigurationError(f"{path} is a folder", hint="name a file in --out")
    if not os.access(path.parent, os.W_OK):
        raise ConfigurationError(
            f"the folder {path.parent} is not writable", hint="choose another place with --out"
        )
    if wanted == "parquet":
        is_folder = path.suffix != ".parquet"
        replace(context.workspace, output=path, is_folder=is_folder).check_output()
