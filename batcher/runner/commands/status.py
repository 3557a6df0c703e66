"""Reads the status file of a job, believing it as far as it can be believed."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from batcher.errors import BatcherError
from batcher.runner.commands.liveness import Here, find_process, state_of
from batcher.store.lock import Holder

GOES_ON = ("running", "silent")
"""The states of a run that may still come to an end of its own."""

_EVERY_S = 1.0


def read_status(path: Path) -> dict[str, Any]:
    """Read a status file; ``state`` is what can be believed of it, ``folder`` where it lies.

    Raises BatcherError when there is none that can be read.
    """
    status = _judged(path)
    # A run that ended between the reading and the look at its process has written so by now.
    return _judged(path) if status["state"] == "died" else status


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
        if status["state"] not in GOES_ON:
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


def _judged(path: Path) -> dict[str, Any]:
    now = datetime.now(UTC)
    try:
        status = json.loads(path.read_text("utf-8"))
        here = Here(socket.gethostname(), Holder.this_process(now).boot_id, find_process)
        return {**status, "state": state_of(status, here, now), "folder": str(path.parent)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a status file of ours"
        raise BatcherError(
            f"{path} cannot be read: {str(reason).lower()}",
            hint="check its permissions; the next run replaces it",
        ) from None
