"""batcher status: shows how far a job and its run are, from files that every run writes."""

import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import click

from batcher.cli.command_line import command_line, job_command, this_command
from batcher.cli.messages import print_json, print_line, say
from batcher.cli.options import json_option, load, set_option, simulate_option
from batcher.cli.status_lines import job_cells, status_lines
from batcher.cli.table_lines import print_rows
from batcher.cli.watch import watch
from batcher.runner.commands.results import has_checkpoint
from batcher.runner.commands.status import (
    UNFINISHED,
    ObservedRun,
    follow,
    job_file_of,
    read_status,
    status_files,
)
from batcher.runner.workspace import Workspace


@click.command("status", epilog="Example: batcher status job.toml --watch")
@click.argument("job", required=False, type=click.Path(path_type=Path))
@click.option("--watch", "watches", is_flag=True, help="Update every second until the run ends.")
@click.option(
    "--wait",
    "waits",
    is_flag=True,
    help="Wait until the run ends, and exit with its exit code; 1 when it died, 2 when there is "
    "no run.",
)
@simulate_option
@set_option
@json_option
def command(
    job: Path | None,
    overrides: tuple[str, ...],
    *,
    watches: bool,
    waits: bool,
    is_simulated: bool,
    as_json: bool,
) -> int:
    """Show how far a job is, then its run, or how the last one ended. It works while a run goes on.

    Without JOB, show one line for each job in this folder and up to two levels below. --simulate
    shows the simulated runs of JOB. Ctrl-C ends --watch and --wait, but not the run. --watch with
    --json prints one JSON object a line.
    """
    if job is None:
        if watches or waits:
            raise click.UsageError("--watch and --wait need a JOB")
        return _print_all(as_json=as_json)
    workspace = Workspace.of(load(job, overrides), is_simulated=is_simulated)
    if not workspace.status.exists():
        _print_no_run(workspace, as_json=as_json)
        return 2 if waits else 0
    try:
        observed = _show(workspace.status, watches=watches, waits=waits, as_json=as_json)
    except KeyboardInterrupt:
        say(f"interrupted; the run goes on\nnext   {this_command()}")
        return 130
    if not as_json:
        say(f"next   {_next(observed)}")
    return _exit_code(observed) if waits else 0


def _print_all(*, as_json: bool) -> int:
    """Print the status of every job in this folder and below; return the exit code."""
    runs = [read_status(path) for path in status_files(Path.cwd())]
    if as_json:
        print_json([observed.to_json() for observed in runs])
        return 0
    if runs:
        print_rows([job_cells(observed) for observed in runs])
        say(f"next   {_next_job(runs)}")
    else:
        say("no run yet in this folder and two levels below")
        say("next   batcher run JOB")
    return 0


def _next_job(runs: Sequence[ObservedRun]) -> str:
    """Return the command for the job to look at: one that runs, else one that did not end well."""
    doubtful = (observed for observed in runs if observed.run.exit_code != 0)
    running = (observed for observed in runs if observed.state in UNFINISHED)
    chosen = next(running, None) or next(doubtful, runs[0])
    file = job_file_of(chosen)
    options = ["--simulate"] if chosen.folder.suffix == ".simulated" else []
    if chosen.state in UNFINISHED:
        options.append("--watch")
    return command_line("status", "JOB" if file is None else os.path.relpath(file), options=options)


def _show(path: Path, *, watches: bool, waits: bool, as_json: bool) -> ObservedRun:
    """Show the status once, until the run ends, or at its end; return the last status."""
    if watches:
        return watch(follow(path), as_json=as_json)
    observed = deque(follow(path), maxlen=1)[0] if waits else read_status(path)
    if as_json:
        print_json(observed.to_json())
    else:
        _print(observed)
    return observed


def _print_no_run(workspace: Workspace, *, as_json: bool) -> None:
    """Print that there is no status file."""
    if as_json:
        print_json({"state": "none", "folder": str(workspace.state)})
        return
    simulated = workspace.state.with_name(f"{workspace.state.name}.simulated") / "status.json"
    if has_checkpoint(workspace):
        print_line("the status file of the last run is missing; the next run writes a new one")
    else:
        print_line(f"no run yet: there is none in {workspace.state}")
    if simulated.exists() and not workspace.is_simulated:
        say(f"next   {job_command('status', options=['--simulate'])}")
    else:
        say(f"next   {job_command('run')}")


def _print(observed: ObservedRun) -> None:
    for line in status_lines(observed):
        print_line(line)


def _exit_code(observed: ObservedRun) -> int:
    """Return the exit code of the run; 1 for a run that died without one."""
    code = observed.run.exit_code if observed.state == "ended" else None
    return 1 if code is None else code


def _next(observed: ObservedRun) -> str:
    if observed.state in UNFINISHED:
        return job_command("status", options=["--watch"])
    if observed.run.next is not None:
        return job_command(observed.run.next)
    if observed.run.exit_code == 3:
        return job_command("failures")
    if observed.run.exit_code == 0:
        return job_command("export")
    return job_command("run")
