"""Writes events.jsonl: what happens in a run, one named event per line."""

import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FILE_NAME = "events.jsonl"


def _now() -> datetime:
    return datetime.now(UTC)


class Events:
    """Appends events to ``events.jsonl`` in a run's folder; usable from any thread.

    ``begin`` makes the folder and the file, and events before it are dropped: so a run that sends
    nothing leaves neither. Facts are numbers, names and codes, never a row's values, a prompt, an
    answer or a key. An event that cannot be written does not stop a run; ``say`` shows the reason
    once.
    """

    def __init__(
        self, folder: Path, say: Callable[[str], None], clock: Callable[[], datetime] = _now
    ) -> None:
        self._path = folder / FILE_NAME
        self.say = say
        self._clock = clock
        self._descriptor: int | None = None
        self._lock = threading.Lock()
        self._has_failed = False
        self._separator = b""

    def begin(self, **facts: Any) -> None:
        """Make the file and write the event ``run_started``."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)
        except OSError as error:
            self._fail(error)
        self.write("run_started", **facts)

    def write(self, event: str, **facts: Any) -> None:
        """Append one event with the time; the operating system has it when this returns."""
        moment = self._clock().isoformat(timespec="milliseconds")
        line = json.dumps({"time": moment, "event": event, **facts}, default=str)
        with self._lock:
            if self._descriptor is not None:
                self._append(self._descriptor, line.encode() + b"\n")

    def close(self) -> None:
        """Wait until all events are on the disk, and close the file."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            os.fsync(descriptor)
        except OSError as error:
            self._fail(error)
        finally:
            os.close(descriptor)

    def _append(self, descriptor: int, line: bytes) -> None:
        """Write a line; if the last one was cut off, start a new line before it."""
        content = self._separator + line
        try:
            written = os.write(descriptor, content)
        except OSError as error:
            self._fail(error)
            return
        self._separator = b"" if written == len(content) else b"\n"

    def _fail(self, error: OSError) -> None:
        if not self._has_failed:
            self._has_failed = True
            self.say(f"warning  {self._path} is incomplete: {error.strerror}")
