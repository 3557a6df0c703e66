"""batcher status: what a running or stopped run has done, from its status file alone."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import click

from batcher.cli.command_line import job_command
from batcher.cli.messages import print_json, say
from batcher.cli.messages import print_line as tell
from batcher.cli.options import json_option, load, set_option, simulate_option
from batcher.cli.status_lines import status_lines
from batcher.cli.watch import watch
from batcher.runner.commands.results import has_checkpoint
from batcher.runner.commands.status import UNFINISHED, ObservedRun, follow, read_status
from batcher.runner.workspace import Workspace

# Two folders down is enough for a folder of jobs, and quick wherever it is typed.
_PLACES = ("runs/*/status.json", "*/runs/*/status.json", "*/*/runs/*/status.json")


@click.command(
    "status",
    epilog="Example: batcher status job.toml --watch",
)
@click.argument("job", required=False, type=click.Path(path_type=Path))
@click.option("--watch", "watches", is_flag=True, help="Show it every second until the run ends.")
@click.option(
    "--wait",
    "waits",
    is_flag=True,
    help="Return when the run has ended, with its exit code; 1 when it died, 2 when there is none.",
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
    """Tell how far a run is, or how the last one ended; works while it runs.

    Without JOB it tells about every job in this folder and two folders down. --simulate is for
    the simulated runs of JOB. Ctrl-C ends --watch and --wait, and never the run. With --json
    --watch prints an object a line.
    """
    if job is None:
        if watches or waits:
            raise click.UsageError("--watch and --wait need a JOB")
        return _all(as_json=as_json)
    workspace = Workspace.of(load(job, overrides), is_simulated=is_simulated)
    if not workspace.status.exists():
        _tell_none(workspace, as_json=as_json)
        return 2 if waits else 0
    try:
        observed = _last(workspace.status, watches=watches, waits=waits, as_json=as_json)
    except KeyboardInterrupt:
        say("interrupted; the run goes on\nnext   the same command again")
        return 130
    if not as_json:
        say(f"next   {_next(observed)}")
    return _exit_code(observed) if waits else 0


def _all(*, as_json: bool) -> int:
    """Tell about every job in this folder and below."""
    found = [read_status(path) for path in _files(Path.cwd())]
    if as_json:
        print_json([observed.to_json() for observed in found])
        return 0
    for observed in found:
        _tell(observed)
    if found:
        say("next   batcher status JOB")
    else:
        say("no run yet in this folder or two folders down")
        say("next   batcher run JOB")
    return 0


def _last(path: Path, *, watches: bool, waits: bool, as_json: bool) -> ObservedRun:
    """Show the status as it was asked for, and return the last one seen."""
    if watches:
        return watch(follow(path), as_json=as_json)
    observed = deque(follow(path), maxlen=1)[0] if waits else read_status(path)
    if as_json:
        print_json(observed.to_json())
    else:
        _tell(observed)
    return observed


def _tell_none(workspace: Workspace, *, as_json: bool) -> None:
    """Say that there is nothing to tell."""
    if as_json:
        print_json({"state": "none", "folder": str(workspace.state)})
        return
    beside = workspace.state.with_name(f"{workspace.state.name}.simulated") / "status.json"
    if has_checkpoint(workspace):
        tell("no status is left of the last run; batcher run writes it anew")
    else:
        tell(f"no run yet: {workspace.state} does not hold one")
    if beside.exists() and not workspace.is_simulated:
        say(f"next   {job_command('status', options=['--simulate'])}")
    else:
        say(f"next   {job_command('run')}")


def _files(folder: Path) -> Iterator[Path]:
    for place in _PLACES:
        yield from sorted(folder.glob(place))


def _tell(observed: ObservedRun) -> None:
    for line in status_lines(observed):
        tell(line)


def _exit_code(observed: ObservedRun) -> int:
    """Give the run's own exit code; a run that died could not give one."""
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
