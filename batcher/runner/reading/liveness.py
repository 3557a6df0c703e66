"""Whether the run that a status file tells of is still there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

SILENT_AFTER_S = 10.0


@dataclass(frozen=True, slots=True)
class Here:
    """This computer: its name, its boot, and which of its processes are alive."""

    host: str
    boot_id: str
    is_alive: Callable[[int], bool]


def state_of(status: Mapping[str, Any], here: Here, now: datetime) -> str:
    """Judge a status: its own ``state`` when it ended, else ``running``, ``silent`` or ``died``.

    On this computer the process itself tells; ``silent`` is one that is alive and has not written
    for ten seconds, as while it writes a large output. Of another computer the last write is all
    that is known, so a run there has ``died`` when it is silent.
    Weakness: a process that got a dead run's number passes for it.
    """
    if status["state"] != "running":
        return str(status["state"])
    is_silent = (now - datetime.fromisoformat(status["heartbeat"])).total_seconds() > SILENT_AFTER_S
    if status["host"] != here.host:
        return "died" if is_silent else "running"
    if status["boot_id"] != here.boot_id or not here.is_alive(int(status["pid"])):
        return "died"
    return "silent" if is_silent else "running"
