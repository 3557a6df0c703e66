"""batcher runs: shows the history of a job, a line for each run, and its trend."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from batcher.cli.command_line import command_line, job_command
from batcher.cli.messages import print_json, print_line, say
from batcher.cli.options import json_option, load, set_option, simulate_option
from batcher.cli.status_lines import job_line
from batcher.cli.table_lines import print_rows
from batcher.core.money.display import rounded_text
from batcher.core.plural import counted
from batcher.core.run_record.history import RunLine, Trend
from batcher.runner.commands.runs import JobRuns, read_runs
from batcher.runner.commands.status import job_file_of, status_files
from batcher.runner.workspace import Workspace

_CLASSES_SHOWN = 4


@click.command("runs", epilog="Example: batcher runs job.toml --last 30")
@click.argument("job", required=False, type=click.Path(path_type=Path))
@click.option(
    "--last",
    "number",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="N",
    help="How many runs of a job to show.",
)
@simulate_option
@set_option
@json_option
def command(
    job: Path | None,
    overrides: tuple[str, ...],
    *,
    number: int,
    is_simulated: bool,
    as_json: bool,
) -> int:
    """Show the runs of a job: rows, dollars, dollars a row, exit code and shares of new labels.

    Without JOB, show all jobs in this folder and up to two levels below. The trend compares the
    last run over all rows with the median of up to 14 before it. Times are in UTC.
    """
    if job is None:
        files = list(status_files(Path.cwd()))
    else:
        status = Workspace.of(load(job, overrides), is_simulated=is_simulated).status
        files = [status] if status.exists() else []
    histories = [read_runs(file, number) for file in files]
    if as_json:
        print_json([history.to_json() for history in histories])
        return 0
    for at, history in enumerate(histories):
        if at:
            print_line("")
        _print(history)
    if not histories:
        say("no run yet")
    say(f"next   {_next(histories) if job is None else job_command(_command(histories))}")
    return 0


def _next(histories: list[JobRuns]) -> str:
    """Return the command for one of the jobs that were found."""
    files = ((history, job_file_of(history.last)) for history in histories)
    found = next(((history, file) for history, file in files if file is not None), None)
    if found is None:
        return command_line("run", "JOB")
    history, file = found
    options = ["--simulate"] if history.last.folder.suffix == ".simulated" else []
    return command_line("runs", os.path.relpath(file), options=options)


def _command(histories: list[JobRuns]) -> str:
    return "status" if histories else "run"


def _print(history: JobRuns) -> None:
    print_line(job_line(history.last))
    print_rows([_row(line) for line in history.lines])
    if history.trend is not None:
        print_line(f"trend  {'; '.join(_trend(history.trend))}")


def _row(line: RunLine) -> dict[str, Any]:
    """Return the values of a line of the table, the most important first."""
    per_row = line.usd_per_row
    return {
        "started": f"{line.started:%Y-%m-%d %H:%M}",
        "new": line.new,
        "answered": line.answered,
        "failed": line.failed,
        "spent": "" if line.spent is None else rounded_text(line.spent),
        "a_row": "" if per_row is None else rounded_text(per_row),
        "exit": line.state if line.exit_code is None else str(line.exit_code),
        "rows_of": "pilot" if line.is_pilot else ", ".join(line.scope),
        "labels": "; ".join(_shares(line)),
    }


def _shares(line: RunLine) -> Iterator[str]:
    """Yield the largest classes of each label field with their shares."""
    for name, classes in line.labels.items():
        largest = sorted(classes.items(), key=lambda entry: -entry[1])[:_CLASSES_SHOWN]
        shares = ", ".join(f"{label} {share:.0%}" for label, share in largest)
        yield shares if len(line.labels) == 1 else f"{name}: {shares}"


def _trend(compared: Trend) -> Iterator[str]:
    before = f"median of {counted(compared.runs, 'run')} before"
    if compared.usd_per_row is not None and compared.median_usd_per_row is not None:
        median = rounded_text(compared.median_usd_per_row)
        yield f"{rounded_text(compared.usd_per_row)} a row, {before} {median}"
    if compared.failed_share is not None and compared.median_failed_share is not None:
        yield f"{compared.failed_share:.1%} failed ({compared.median_failed_share:.1%})"
    if compared.new is not None and compared.median_new is not None:
        yield f"{compared.new:,} new ({compared.median_new:,.0f})"
