"""Help is fast and has examples."""

import subprocess
import sys

import pytest
from commanding import Command

from batcher.cli.main import COMMANDS

HEAVY = ["pyarrow", "duckdb", "httpx", "pydantic", "minijinja", "asyncio"]


def test_help_imports_no_large_library() -> None:
    """The list of commands loads no library that takes long to import."""
    code = (
        "import sys; from batcher.cli import main; sys.argv = ['batcher', '--help']\n"
        "try: main()\n"
        f"except SystemExit: print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(batcher: Command, command: str) -> None:
    """The help of each command ends with an example."""
    result = batcher(command, "--help")
    assert result.code == 0
    assert f"Example: batcher {command}" in result.out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_narrow_terminal(
    batcher: Command, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line of help is wider than 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, batcher(command, "--help").out.splitlines())) <= 80


def test_version(batcher: Command) -> None:
    """The version is one line."""
    assert batcher("--version").out.startswith("batcher, version ")
