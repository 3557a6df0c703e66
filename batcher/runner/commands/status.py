"""Reads a job's status file, and finds out whether the process that wrote it is still alive."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from batcher.errors import BatcherError
from batcher.store.lock import Holder, process_start

UNFINISHED = ("running", "silent")
"""The states of a run that may still end by itself."""

SILENT_AFTER_S = 10.0
_EVERY_S = 1.0


def read_status(path: Path) -> dict[str, Any]:
    """Read a status file; ``state`` is what can be believed of it, ``folder`` where it lies.

    Raises BatcherError when there is none that can be read.
    """
    status = _read(path)
    # A run that ended between the reading and the look at its process has written so by now.
    return _read(path) if status["state"] == "died" else status


def follow(path: Path, sleep: Callable[[float], None] = time.sleep) -> Iterator[dict[str, Any]]:
    """Read a run's status about once a second; the last one says that it has ended or died.

    Another run, which was waiting for this one, may have begun since.
    """
    last: dict[str, Any] | None = None
    while True:
        status = read_status(path)
        if last is not None and status["run_id"] != last["run_id"]:
            status = _ending(last, status)
        last = status
        yield status
        if status["state"] not in UNFINISHED:
            return
        sleep(_EVERY_S)


def _ending(last: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The end of a run whose status another run has replaced: its record, or what that one saw."""
    try:
        path = Path(last["folder"]) / last["run_id"] / "run.json"
        return {**last, **json.loads(path.read_bytes())}
    except (OSError, ValueError, TypeError):
        seen = other.get("previous") or {}
    if seen.get("run_id") != last["run_id"] or seen.get("exit_code") is None:
        return {**last, "state": "died"}
    return {**last, **seen, "state": "ended"}


def _read(path: Path) -> dict[str, Any]:
    now = datetime.now(UTC)
    try:
        status = json.loads(path.read_text("utf-8"))
        machine = Machine(socket.gethostname(), Holder.this_process(now).boot_id, find_process)
        return {**status, "state": state_of(status, machine, now), "folder": str(path.parent)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a status file of ours"
        raise BatcherError(
            f"{path} cannot be read: {str(reason).lower()}",
            hint="check its permissions; the next run replaces it",
        ) from None


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


def state_of(status: Mapping[str, Any], machine: Machine, now: datetime) -> str:
    """Return the state of a run: ``ended``, ``running``, ``silent`` or ``died``.

    On this machine the process is looked up. A ``silent`` run is alive, but has not written its
    status for ten seconds: it is stopped, out of memory, or cannot write to the disk. A process on
    another machine cannot be looked up: that run has ``died`` when it has not written for ten
    seconds.
    """
    if status["state"] != "running":
        return str(status["state"])
    is_silent = (now - datetime.fromisoformat(status["heartbeat"])).total_seconds() > SILENT_AFTER_S
    if status["host"] != machine.host:
        return "died" if is_silent else "running"
    if status["boot_id"] != machine.boot_id or not _is_alive(status, machine):
        return "died"
    return "silent" if is_silent else "running"


def _is_alive(status: Mapping[str, Any], machine: Machine) -> bool:
    process = machine.find(int(status["pid"]))
    if process is None:
        return False
    written = status.get("process_start")
    return written is None or process.start is None or process.start == written
