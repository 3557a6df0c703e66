"""Starts runs of batcher, and ends them."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PATIENCE_S = 1_200
_DOOMED_RUN = Path(__file__).with_name("doomed_run.py")


class Launcher:
    """A process that has imported batcher and forks the command at a word; one at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_DOOMED_RUN), "--serve"],
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
        """Whether there is a run whose exit code nobody has asked for."""
        return self._pid is not None

    def kill(self) -> None:
        """Kill the run, if there is one."""
        if self._pid is not None:
            os.kill(self._pid, signal.SIGKILL)  # at worst a zombie: the id is still its own

    def has_ended(self, timeout_s: float) -> bool:
        """Whether the run ends within ``seconds``; 0 looks once."""
        return bool(select.select([self._process.stdout], [], [], timeout_s)[0])

    def exit_code(self) -> int:
        """The exit code of the run, negative for a signal; a run that hangs is an error."""
        assert self.has_ended(PATIENCE_S), "the run hangs"
        self._pid = None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it, and the run that is going on."""
        self.kill()
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(20)
