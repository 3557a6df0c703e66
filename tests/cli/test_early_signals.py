"""A signal that comes before a command has begun ends it with the exit code of that signal."""

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from commanding import write_job

SHIM = "import os; os.kill(os.getpid(), int(os.environ['SIGNAL']))\n"
"""A module in the place of another one: it sends a signal while it is imported."""


def run(folder: Path, module: str, number: int, *words: str, ignores: bool = False) -> int:
    """Run a command that gets a signal while it imports a module; return its exit code."""
    (folder / f"{module}.py").write_text(SHIM + "raise SystemExit(9)\n")
    environ = {**os.environ, "PYTHONPATH": str(folder), "SIGNAL": str(int(number))}
    process = subprocess.run(
        [sys.executable, "-m", "batcher", *words],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=(lambda: signal.signal(number, signal.SIG_IGN)) if ignores else None,
    )
    assert "Traceback" not in process.stderr
    return process.returncode


SIGNALS = pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 143), (signal.SIGINT, 130)]
)


@SIGNALS
@pytest.mark.parametrize("module", ["click", "duckdb"])
def test_a_signal_in_the_first_instants(
    tmp_path: Path, module: str, number: signal.Signals, code: int
) -> None:
    """While the command line or the command is loaded."""
    assert run(tmp_path, module, number, "check", str(write_job(tmp_path))) == code


LATE = """
import os, signal, sys
class Late:
    def __init__(self): self.kill, self.pid, self.number = os.kill, os.getpid(), signal.SIGHUP
    def __del__(self): self.kill(self.pid, self.number)
sys.late = Late()
from batcher.__main__ import main
main()
"""


@pytest.mark.parametrize(("words", "code"), [(("--version",), 0), (("run", "none.toml"), 2)])
def test_a_terminal_that_is_closed_after_the_end(words: tuple[str, ...], code: int) -> None:
    """While Python shuts down: the command has ended, and its exit code stays."""
    command = [sys.executable, "-c", LATE, *words]
    assert subprocess.run(command, capture_output=True, check=False).returncode == code


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    """``nohup`` ignores SIGHUP, and the command goes on."""
    assert run(tmp_path, "click", signal.SIGHUP, "--help", ignores=True) == 9


def test_the_program_begins_where_the_signals_are_handled() -> None:
    """The installed command and ``python -m batcher`` begin in the same function."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"batcher": "batcher.__main__:main"}
