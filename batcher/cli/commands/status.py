"""batcher status: what a running or stopped run has done, from its status file alone."""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from batcher.cli.duration import duration
from batcher.cli.messages import print_json, say, tell
from batcher.cli.options import json_option, load, set_option, simulate_option, typed
from batcher.core.money.display import rounded_text
from batcher.errors import BatcherError
from batcher.runner.planning.workspace import Workspace
from batcher.runner.reading.checkpoint import has_state
from batcher.runner.reading.liveness import Here, state_of
from batcher.store.lock import Holder

# Two folders down is enough for a folder of jobs, and quick wherever it is typed.
_PLACES = ("runs/*/status.json", "*/runs/*/status.json", "*/*/runs/*/status.json")


@click.command(
    "status",
    epilog="Example: batcher status job.toml --json",
    short_help="what a running or stopped run has done",
)
@click.argument("job", required=False, type=click.Path(path_type=Path))
@simulate_option
@set_option
@json_option
def command(
    job: Path | None, overrides: tuple[str, ...], *, is_simulated: bool, as_json: bool
) -> int:
    """Tell how far a run is, or how the last one ended; works while it runs.

    Without JOB it tells about every job in this folder and two folders down. --simulate is for
    the simulated runs of JOB.
    """
    now = datetime.now(UTC)
    if job is not None:
        return _one(job, overrides, now, is_simulated=is_simulated, as_json=as_json)
    found = [_read(path, now) for path in _files(Path.cwd())]
    if as_json:
        print_json(found)
        return 0
    for status in found:
        _tell(status)
    if found:
        say("next   batcher status JOB")
    else:
        say("no run yet in this folder or two folders down")
        say("next   batcher run JOB")
    return 0


def _one(
    job: Path, overrides: tuple[str, ...], now: datetime, *, is_simulated: bool, as_json: bool
) -> int:
    """Tell about one job."""
    workspace = Workspace.of(load(job, overrides), is_simulated=is_simulated)
    if not workspace.status.exists():
        return _none(workspace, job, as_json=as_json)
    status = _read(workspace.status, now)
    if as_json:
        print_json(status)
        return 0
    _tell(status)
    say(f"next   {_next(status, job, is_simulated=is_simulated)}")
    return 0


def _none(workspace: Workspace, job: Path, *, as_json: bool) -> int:
    """Say that there is nothing to tell."""
    if as_json:
        print_json({"state": "none", "folder": str(workspace.state)})
        return 0
    beside = workspace.state.with_name(f"{workspace.state.name}.simulated") / "status.json"
    if has_state(workspace):
        tell("no run has sent anything yet; one may be reading its input")
    else:
        tell(f"no run yet: {workspace.state} does not hold one")
    is_simulated = workspace.is_simulated or beside.exists()
    command = "status" if beside.exists() and not workspace.is_simulated else "run"
    say(f"next   {typed(command, job, is_simulated=is_simulated)}")
    return 0


def _files(folder: Path) -> Iterator[Path]:
    for place in _PLACES:
        yield from sorted(folder.glob(place))


def _read(path: Path, now: datetime) -> dict[str, Any]:
    """Read a status file; ``state`` is what can be believed of it."""
    try:
        status = json.loads(path.read_text("utf-8"))
        here = Here(socket.gethostname(), Holder.this_process(now).boot_id, _is_alive)
        return {**status, "state": state_of(status, here, now), "folder": str(path.parent)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a status file of ours"
        raise BatcherError(
            f"{path} cannot be read: {str(reason).lower()}",
            hint="check its permissions; the next run replaces it",
        ) from None


def _is_alive(pid: int) -> bool:
    """Whether a process is there and is more than an entry that nobody has cleared away."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2]
    except OSError:
        return True
    return after_name.split()[0] != "Z"


def _tell(status: Mapping[str, Any]) -> None:
    name = status["job"] + (" (simulated)" if status["is_simulated"] else "")
    tell(f"{name}: {_state(status)}")
    tell(f"  run      {status['run_id']} in {os.path.relpath(status['folder'])}")
    tell(f"  time     {_times(status)}")
    for line in _progress(status):
        tell(f"  {line}")
    usd = status.get("usd")
    if usd is not None:
        unseen = Decimal(usd["unknown"])
        more = f"; up to {rounded_text(unseen)} may have been billed unseen" if unseen else ""
        tell(f"  spent    {rounded_text(Decimal(usd['spent']))}{more}")
    if status.get("errors"):
        errors = ", ".join(f"{error['n']:,} {error['type']}" for error in status["errors"])
        tell(f"  errors   {errors}")
    for file in status.get("output", ()):
        tell(f"  output   {os.path.relpath(file['path'])}")


def _state(status: Mapping[str, Any]) -> str:
    state = status["state"]
    if state == "ended":
        return f"ended with exit code {status['exit_code']}"
    if state == "died":
        return f"died; process {status['pid']} on {status['host']} left without a word"
    if state == "silent":
        return f"running as process {status['pid']}, but silent: it writes its output, or hangs"
    return f"running as process {status['pid']} on {status['host']}"


def _times(status: Mapping[str, Any]) -> str:
    started = datetime.fromisoformat(status["started"])
    heard = datetime.fromisoformat(status["heartbeat"])
    begun = f"started {started:%Y-%m-%d %H:%M:%S} UTC"
    if status["ended"] is not None:
        took = datetime.fromisoformat(status["ended"]) - started
        return f"{begun}, took {duration(took.total_seconds())}"
    if status["state"] == "running":
        return f"{begun}, {duration((heard - started).total_seconds())} ago"
    return f"{begun}, last heard of {heard:%Y-%m-%d %H:%M:%S}"


def _progress(status: Mapping[str, Any]) -> Iterator[str]:
    rows = status.get("rows")
    if rows is not None and status["state"] == "ended":
        yield f"rows     {rows['total']:,}: {_counted(rows['by_status'])}"
    elif rows is not None:
        yield f"rows     {rows['done']:,} of {rows['to_send']:,} asked, {rows['failed']:,} failed"
    if status["state"] == "running":
        left = status.get("eta_s")
        eta = "no end in sight yet" if left is None else f"{duration(left)} left"
        yield (
            f"pace     {status['rate']:,.1f}/s, {eta}, limited by {status['limiter']}, "
            f"{status['in_flight']:,} in flight"
        )


def _counted(by_status: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {status}" for status, n in sorted(by_status.items()))


def _next(status: Mapping[str, Any], job: Path, *, is_simulated: bool) -> str:
    if status["state"] in ("running", "silent"):
        return typed("status", job, is_simulated=is_simulated)
    if status["exit_code"] == 3:
        return typed("failures", job, is_simulated=is_simulated)
    if status["exit_code"] == 0:
        return typed("export", job, is_simulated=is_simulated)
    return typed("run", job, is_simulated=is_simulated)
