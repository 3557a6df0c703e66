"""Writes the output again from the checkpoint, to another path or in another format."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from batcher.core.plural import counted
from batcher.core.written_files import output_prefix
from batcher.errors import ConfigurationError
from batcher.outputs.jsonl_output import (
    LinesOutput,
    batch_result_lines,
    json_lines,
    read_first_objects,
)
from batcher.runner.commands.out_path import check_out
from batcher.runner.commands.results import Results, last_run_id
from batcher.runner.planning.output_layout import layout_of
from batcher.runner.workspace import Workspace
from batcher.runner.writing.output import Target, export_parquet, result_tables
from batcher.store.results import count_open, count_statuses, has_message, read_results

Format = Literal["parquet", "jsonl", "messages-batch"]

_ENDINGS = {"jsonl": ".jsonl", "messages-batch": ".results.jsonl"}
_CHUNK_ITEMS = 1024


@dataclass(frozen=True, slots=True)
class Written:
    """An output that was written.

    ``open_items`` are the items that a run may still answer, ``pending`` those that wait in a
    batch.
    """

    path: Path
    format: Format
    items: int
    by_status: dict[str, int]
    open_items: int
    pending: int


def default_path(workspace: Workspace, wanted: Format) -> Path:
    """Return the default path of a format: the job's output, or a file beside it."""
    if wanted == "parquet":
        return workspace.output
    return workspace.output.with_suffix(_ENDINGS[wanted])


def write_export(
    results: Results, path: Path, wanted: Format, *, is_partial: bool, overwrites: bool = False
) -> Written:
    """Write the whole output, or nothing.

    Raises ConfigurationError when rows are open and ``is_partial`` is not set, and when ``path``
    cannot be written, is a part of the job, or holds what the job did not write. ``overwrites``
    replaces that, too.
    """
    allowance = results.context.job.retry.unknown_attempts
    still_open = results.db(count_open, allowance)
    items, without = results.plan.counts.items, still_open.to_send + still_open.pending
    if without and not is_partial:
        raise ConfigurationError(
            f"{without:,} of {counted(items, 'row')} {'has' if without == 1 else 'have'} no "
            "final result yet",
            hint="run the job to its end first, or add --partial to export what is there",
        )
    check_out(results.context, path, may_be_output=wanted == "parquet")
    if wanted == "parquet":
        is_folder = path.suffix != ".parquet"
        place = replace(results.context.workspace, output=path, is_folder=is_folder)
        place.check_output(overwrites=overwrites)
    elif not overwrites:
        _check_own_lines(results, path)
    if wanted == "parquet":
        target = Target(path, last_run_id(results))
        export_parquet(results.context, results.plan, results.db, target)
    else:
        with LinesOutput(path) as file:
            for lines in _lines(results, wanted):
                file.write(lines)
            file.finish()
    by_status = results.db(count_statuses)
    return Written(path, wanted, items, by_status, still_open.to_send, still_open.pending)


def _lines(results: Results, wanted: Format) -> Iterator[Iterator[bytes]]:
    if wanted == "jsonl":
        layout = layout_of(results.context, results.plan)
        for table in result_tables(results.context, results.plan, results.db, layout):
            yield json_lines(table)
        return
    for first in range(0, len(results.plan.to_send), _CHUNK_ITEMS):
        table = results.db(read_results, first, first + _CHUNK_ITEMS - 1)
        yield batch_result_lines(table, has_samples=results.context.samples > 1)


def _check_own_lines(results: Results, path: Path) -> None:
    """Refuse to replace a file that is not an earlier export of this job."""
    if path.exists() and path.stat().st_size and not _is_own_export(results, path):
        raise ConfigurationError(
            f"{path} is not an export of this job, and would be replaced",
            hint="choose another --out, or add --overwrite to replace it",
        )


def _is_own_export(results: Results, path: Path) -> bool:
    """Return whether the first lines have rows of this job's runs, or messages that it recorded."""
    lines = list(read_first_objects(path))
    named = [(line, output_prefix(line)) for line in lines]
    if lines and all(prefix is not None for _, prefix in named):
        runs = {line[f"{prefix}run_id"] for line, prefix in named} - {None}
        return not runs or any(map(results.context.workspace.owner.has_run, runs))
    found = [result for line in lines if isinstance(result := line.get("result"), dict)]
    messages = [message for each in found if isinstance(message := each.get("message"), dict)]
    return results.db(has_message, [str(message.get("id")) for message in messages])
