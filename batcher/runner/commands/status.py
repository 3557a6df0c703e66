"""Reads a job's status file, and finds out whether the process that wrote it is still alive."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from batcher.core.run_record.job_progress import JobProgress, job_progress
from batcher.core.run_record.run_status import PreviousRun, RunProcess, RunStatus
from batcher.core.run_record.run_summary import RunFacts
from batcher.errors import BatcherError
from batcher.runner.run_history import RunHistory
from batcher.store.lock import Holder, process_start

State = Literal["running", "silent", "died", "ended"]

UNFINISHED: tuple[State, ...] = ("running", "silent")
"""The states of a run that may still end by itself."""

SILENT_AFTER_S = 10.0
# Two levels are enough for a folder of jobs, and fast in any folder.
_PLACES = ("runs/*/status.json", "*/runs/*/status.json", "*/*/runs/*/status.json")
_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class ObservedRun:
    """A run by its status file, its state by its process too; ``folder`` is the state folder."""

    status: RunStatus
    state: State
    folder: Path

    @property
    def run(self) -> RunFacts:
        """What is recorded of the run; a RunSummary when it has ended in order."""
        return self.status.run

    @property
    def progress(self) -> JobProgress | None:
        """How far the job is; while a run does not know it, as the run before left it."""
        known = job_progress(self.status)
        if known is not None:
            return known
        last = next(RunHistory(self.folder).summaries(), None)
        return None if last is None else job_progress(replace(self.status, run=last))

    def to_json(self) -> dict[str, Any]:
        """Return the content of the status file, with the observed state and the job's progress."""
        progress = None if self.progress is None else self.progress.to_json()
        observed = {"state": self.state, "folder": str(self.folder), "progress": progress}
        return {**self.status.to_json(), **observed}


def read_status(path: Path) -> ObservedRun:
    """Read a status file and find out the state of its run; raise BatcherError without one."""
    observed = _read(path)
    # A run may have ended after its status was read and before its process was looked up.
    return _read(path) if observed.state == "died" else observed


def job_file_of(observed: ObservedRun) -> Path | None:
    """Return the job file of a run; None when it is no longer there, or was not recorded."""
    recorded, folder = observed.run.job_file, observed.folder
    beside = folder.parent.parent / f"{folder.name.removesuffix('.simulated')}.toml"
    files = [beside] if recorded is None else [beside, Path(recorded)]
    return next((file for file in files if file.is_file()), None)


def status_files(folder: Path) -> Iterator[Path]:
    """Yield the status files of the jobs in a folder and up to two levels below."""
    for place in _PLACES:
        yield from sorted(folder.glob(place))


def follow(path: Path, sleep: Callable[[float], None] = time.sleep) -> Iterator[ObservedRun]:
    """Read a run's status about once a second, until the run has ended or died.

    If another run begins meanwhile, the last status is the end of the first run.
    """
    last: ObservedRun | None = None
    while True:
        observed = read_status(path)
        if last is not None and observed.run.run_id != last.run.run_id:
            observed = _ending(last, observed.status.process.previous)
        last = observed
        yield observed
        if observed.state not in UNFINISHED:
            return
        sleep(_EVERY_S)


def _ending(last: ObservedRun, previous: PreviousRun | None) -> ObservedRun:
    """Return the end of a run whose status file another run has replaced.

    It is in the run's own run.json, else in ``previous``, which the other run has recorded.
    """
    summary = RunHistory(last.folder).summary(last.run.run_id)
    if summary is not None:
        status = RunStatus(run=summary, process=last.status.process)
    elif previous is None or previous.run_id != last.run.run_id or previous.exit_code is None:
        return replace(last, state="died")
    else:
        run = replace(last.run, state="ended", exit_code=previous.exit_code, ended=previous.ended)
        status = replace(last.status, run=run)
    return replace(last, status=status, state="ended")


def _read(path: Path) -> ObservedRun:
    now = datetime.now(UTC)
    try:
        status = RunStatus.from_json(json.loads(path.read_text("utf-8")))
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
    except (ValueError, LookupError, TypeError, AttributeError):
        reason = "it is not a status file"
    else:
        machine = Machine(socket.gethostname(), Holder.this_process(now).boot_id, find_process)
        return ObservedRun(status, state_of(status, machine, now), path.parent)
    raise BatcherError(
        f"{path} cannot be read: {reason}", hint="check its permissions; the next run replaces it"
    )


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine; ``find`` returns the living process with an id, None when there is none."""

    host: str
    boot_id: str
    find: Callable[[int], "Process | None"]


@dataclass(frozen=True, slots=True)
class Process:
    """A living process; ``start`` is in clock ticks since the boot, None when it is not known.

    Process ids are reused; the id and the start together name one process of one boot.
    """

    pid: int
    start: int | None


def find_process(pid: int) -> Process | None:
    """Find a living process of this machine; a zombie has ended and does not count.

    Without /proc, zombies count and ``start`` is None.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # it exists and belongs to another user
    return None if _is_zombie(pid) else Process(pid, process_start(pid))


def _is_zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] == b"Z"


def state_of(status: RunStatus, machine: Machine, now: datetime) -> State:
    """Return the state of a run: ``ended``, ``running``, ``silent`` or ``died``.

    On this machine the process is looked up. A ``silent`` run is alive, but has not written its
    status for ten seconds: it is stopped, out of memory, or cannot write to the disk. A process on
    another machine cannot be looked up: that run has ``died`` when it has not written for ten
    seconds.
    """
    process = status.process
    if status.run.state == "ended":
        return "ended"
    is_silent = (now - process.heartbeat).total_seconds() > SILENT_AFTER_S
    if process.host != machine.host:
        return "died" if is_silent else "running"
    if process.boot_id != machine.boot_id or not _is_alive(process, machine):
        return "died"
    return "silent" if is_silent else "running"


def _is_alive(process: RunProcess, machine: Machine) -> bool:
    found = machine.find(process.pid)
    if found is None:
        return False
    starts = (process.process_start, found.start)
    return None in starts or starts[0] == starts[1]
