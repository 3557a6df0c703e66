"""Whether the run that a status file tells of is still there."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from batcher.store.lock import process_start

SILENT_AFTER_S = 10.0


@dataclass(frozen=True, slots=True)
class Here:
    """This computer: its name, its boot, and its processes.

    ``find`` gives the process of a number, None when there is none.
    """

    host: str
    boot_id: str
    find: Callable[[int], "Process | None"]


@dataclass(frozen=True, slots=True)
class Process:
    """A living process; ``start`` is its start in clock ticks since the boot, where that is known.

    Number and start together name one process of one boot: a number used again has another start.
    """

    pid: int
    start: int | None


def find_process(pid: int) -> Process | None:
    """Find a living process of this computer; a zombie, which only waits to be cleared, is none.

    Without /proc, whether it is there is all that can be said.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # it is somebody else's, and there
    return None if _is_zombie(pid) else Process(pid, process_start(pid))


def _is_zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] == b"Z"


def state_of(status: Mapping[str, Any], here: Here, now: datetime) -> str:
    """Judge a status: its own ``state`` when it ended, else ``running``, ``silent`` or ``died``.

    On this computer the process itself tells; ``silent`` is one that is alive and has not written
    for ten seconds: stopped, out of memory, or on a disk that takes nothing. Of another computer
    the last write is all that is known, so a run there has ``died`` when it is silent.
    """
    if status["state"] != "running":
        return str(status["state"])
    is_silent = (now - datetime.fromisoformat(status["heartbeat"])).total_seconds() > SILENT_AFTER_S
    if status["host"] != here.host:
        return "died" if is_silent else "running"
    if status["boot_id"] != here.boot_id or not _is_there(status, here):
        return "died"
    return "silent" if is_silent else "running"


def _is_there(status: Mapping[str, Any], here: Here) -> bool:
    process = here.find(int(status["pid"]))
    if process is None:
        return False
    written = status.get("process_start")
    return written is None or process.start is None or process.start == written
