"""A run that kills itself at a named point, and a process that forks such runs.

    python tests/crash/trapped_run.py 'commit: before COMMIT' 3 run job.toml --yes

runs ``batcher run job.toml --yes`` and sends it SIGKILL at the third call of that point. batcher
itself has no code for this: the named function is replaced before the command starts. A point that
does not exist is an error. With ``--serve`` the process imports everything once and forks a run on
request, which saves a second per run.
"""

import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kill_points import BATCH_POINTS, POINTS, SETTINGS, SQL, Point

import batcher.cli.commands.run  # noqa: F401 - imported once for all forked runs
from batcher.cli import main

_COMMIT = "batcher.store.checkpoint:Checkpoint.commit"


class Trap:
    """Kills this process at the n-th call of a point; calls count only while ``is_set``."""

    def __init__(self, point: Point, number: int, delay_s: float) -> None:
        self.is_set = True
        self._point = point
        self._left = number
        self._delay_s = delay_s

    def call(self, function: Callable[..., Any], /, *arguments: Any, **kwargs: Any) -> Any:
        """Make a call; kill the process before, during or after it when it is the n-th."""
        if not self._is_due(arguments):
            return function(*arguments, **kwargs)
        if self._point.moment == "before":
            self._kill()
        if self._point.moment == "during":
            threading.Timer(self._delay_s, self._kill).start()
        function(*arguments, **kwargs)
        return self._kill()

    def _is_due(self, arguments: tuple[Any, ...]) -> bool:
        texts = (str(value) for value in arguments if isinstance(value, str | os.PathLike))
        if not self.is_set or not any(self._point.match in text for text in (*texts, "")):
            return False
        self._left -= 1
        return self._left == 0

    def _kill(self) -> None:
        os.write(2, f"killed  {self._point.name}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)


class WatchedConnection:
    """A DuckDB connection that calls a trap at every statement."""

    def __init__(self, connection: Any, trap: Trap) -> None:
        self._connection = connection
        self._trap = trap

    def execute(self, sql: str, *parameters: Any) -> Any:
        """Execute a statement through the trap."""
        return self._trap.call(self._connection.execute, sql, *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def set_trap(name: str, number: int, delay_s: float, terminate_at: int = 1) -> None:
    """Set a trap in batcher; raises AttributeError when the point does not exist.

    In the stage ``shutdown`` a SIGTERM is sent first, at commit number ``terminate_at``.
    """
    point = next(point for point in (*POINTS, *BATCH_POINTS) if point.name == name)
    trap = Trap(point, number, delay_s)
    for target, value in SETTINGS.get(point.stage, {}).items():
        replace(target, lambda _, value=value: value)
    if point.target == SQL:
        replace(SQL, lambda connect: lambda *a, **k: WatchedConnection(connect(*a, **k), trap))
    else:
        replace(point.target, lambda call: lambda *a, **k: trap.call(call, *a, **k))
    if point.stage == "shutdown":
        trap.is_set = False
        replace(_COMMIT, lambda commit: _terminating(commit, trap, terminate_at))


def replace(target: str, replacement: Callable[[Any], Any]) -> None:
    """Replace ``module:name`` by ``replacement(original)``; raises AttributeError without it."""
    module, _, path = target.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    setattr(owner, name, replacement(getattr(owner, name)))


def _terminating(commit: Callable[..., Any], trap: Trap, number: int) -> Callable[..., Any]:
    left = number

    def terminating(checkpoint: Any, groups: Mapping[str, Any]) -> None:
        nonlocal left
        commit(checkpoint, groups)
        left -= "outcomes" in groups
        if left == 0 and not trap.is_set:
            trap.is_set = True
            os.kill(os.getpid(), signal.SIGTERM)

    return terminating


def run_command(arguments: list[str]) -> None:
    """Run the batcher command; never returns."""
    os.environ["ANTHROPIC_API_KEY"] = "test-key"
    sys.argv = ["batcher", *arguments]
    main()


def serve() -> None:
    """Fork a run for each line of JSON; print its pid, and at its end its exit code."""
    pid = 0
    for line in sys.stdin:
        if pid:
            os.waitpid(pid, 0)
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _redirect_streams(order["log"])
            if order["trap"]:
                set_trap(*order["trap"])
            run_command(order["arguments"])
        print(pid, flush=True)
        # It stays a zombie until the next order, so that no other process gets its pid.
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        is_exit = ended.si_code == os.CLD_EXITED
        print(ended.si_status if is_exit else -ended.si_status, flush=True)


def _redirect_streams(log: str) -> None:
    """Give a forked run its own standard streams."""
    with Path(log).open("ab") as output, Path(os.devnull).open("rb") as nothing:
        for number, file in ((0, nothing), (1, output), (2, output)):
            os.dup2(file.fileno(), number)


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        set_trap(sys.argv[1], int(sys.argv[2]), 0.001)
        run_command(sys.argv[3:])
