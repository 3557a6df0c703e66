"""batcher export: writes the output again, to another place or in another format."""

import os
import shlex
from pathlib import Path

import click

from batcher.cli.amounts import counts_text
from batcher.cli.command_line import job_command, reading_command
from batcher.cli.messages import print_json, say
from batcher.cli.options import job_argument, json_option, load, set_option, simulate_option
from batcher.cli.private_files import write_private_files
from batcher.cli.run_options import overwrite_option
from batcher.core.plural import counted
from batcher.errors import ConfigurationError
from batcher.runner.commands.export import Format, Written, default_path, write_export
from batcher.runner.commands.results import open_results

_FORMATS = ("parquet", "jsonl", "messages-batch")


@click.command("export", epilog="Example: batcher export job.toml --out answers.jsonl")
@job_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The file to write; default: the job's output, or a file beside it.",
)
@click.option(
    "--format",
    "wanted",
    type=click.Choice(_FORMATS),
    help="Default: by the ending of --out, else parquet.",
)
@click.option(
    "--partial", "is_partial", is_flag=True, help="Export even when some rows have no final result."
)
@overwrite_option
@simulate_option
@set_option
@json_option
def command(
    job: Path,
    out: Path | None,
    wanted: Format | None,
    overrides: tuple[str, ...],
    *,
    is_partial: bool,
    overwrites: bool,
    is_simulated: bool,
    as_json: bool,
) -> int:
    """Write the output again from the checkpoint, as Parquet, JSON lines or batch results.

    The format jsonl has one object for each row, with the columns of the output. The format
    messages-batch has the lines of a Message Batches result: custom_id, and result with the
    response as the API sent it. Nothing is sent.
    """
    loaded = load(job, overrides)
    chosen = wanted or _format_of(out)
    with open_results(loaded, is_simulated=is_simulated) as results:
        path = out or default_path(results.context.workspace, chosen)
        write_private_files()
        written = write_export(results, path, chosen, is_partial=is_partial, overwrites=overwrites)
    if as_json:
        print_json(_to_json(written))
        return 0
    counts = filter(None, [counted(written.items, "row"), counts_text(written.by_status)])
    say(f"wrote  {os.path.relpath(written.path)}: {', '.join(counts)}")
    if written.open_items:
        say(f"open   {counted(written.open_items, 'row has', 'rows have')} no final result yet")
        say(f"next   {job_command('run')}")
    else:
        say(f"next   {_reading_command(written)}")
    return 0


def _format_of(out: Path | None) -> Format:
    if out is None or out.suffix in (".parquet", "") or out.is_dir():
        return "parquet"
    if out.suffix in (".jsonl", ".ndjson"):
        return "jsonl"
    raise ConfigurationError(
        f"{out} has an ending that names no format",
        hint="end it in .parquet or .jsonl, or add --format",
    )


def _to_json(written: Written) -> dict[str, object]:
    return {
        "path": str(written.path),
        "format": written.format,
        "rows": written.items,
        "open": written.open_items,
        "pending": written.pending,
        "by_status": written.by_status,
    }


def _reading_command(written: Written) -> str:
    if written.format == "parquet":
        return reading_command(written.items)
    return shlex.join(["head", "-n", "1", os.path.relpath(written.path)])
