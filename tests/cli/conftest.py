"""Runs commands in this process; has one job that has run and one that has not."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commanding import Command, CommandResult, write_job

from batcher.cli.main import main


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Remove the API key from the environment; restore the umask."""
    for name in ("ANTHROPIC_API_KEY", "BATCHER_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    mask = os.umask(0o022)
    yield
    os.umask(mask)


@pytest.fixture
def batcher(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs batcher with the given words."""

    def run(*words: object) -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["batcher", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return CommandResult(int(ended.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job after a simulated run: 4 rows truncated, 1 skipped, 1 bad; no test changes it."""
    job = write_job(tmp_path_factory.mktemp("done"))
    argv, sys.argv = sys.argv, ["batcher", "run", str(job), "--simulate", "--quiet"]
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = argv
    assert ended.value.code == 3
    return job


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A job that has not run."""
    return write_job(tmp_path / "fresh")
