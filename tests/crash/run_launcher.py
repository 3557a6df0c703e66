"""Starts and ends runs of batcher."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PATIENCE_S = 1_200
_TRAPPED_RUN = Path(__file__).with_name("trapped_run.py")


class Launcher:
    """A process that has imported batcher and forks one run at a time, on request."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_TRAPPED_RUN), "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._pid: int | None = None

    def start(self, arguments: list[str], log: Path, trap: Sequence[object] = ()) -> None:
        """Start ``batcher`` with these arguments."""
        order = {"arguments": arguments, "log": str(log), "trap": trap}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        self._pid = int(self._process.stdout.readline())

    @property
    def is_running(self) -> bool:
        """Whether there is a run whose exit code was not read yet."""
        return self._pid is not None

    def kill(self) -> None:
        """Kill the run, if there is one."""
        if self._pid is not None:
            os.kill(self._pid, signal.SIGKILL)  # perhaps a zombie, which keeps its pid

    def has_ended(self, timeout_s: float) -> bool:
        """Return whether the run has ended; wait at most this many seconds for it."""
        return bool(select.select([self._process.stdout], [], [], timeout_s)[0])

    def exit_code(self) -> int:
        """Return the exit code of the run, negative for a signal; fails if the run does not end."""
        assert self.has_ended(PATIENCE_S), "the run hangs"
        self._pid = None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End this process and its run."""
        self.kill()
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(20)
