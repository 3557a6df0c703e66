"""The command line in this process: its exit code, what it prints, and one job that has run."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from batcher.cli.main import main

ROWS = [
    {"id": "a-1", "text": "Where is my parcel?", "stars": 5},
    {"id": "a-2", "text": "I was charged twice.", "stars": 1},
    {"id": "a-3", "text": "", "stars": 2},
    {"id": "a-4", "text": "Where is my parcel?", "stars": 3},
    {"id": "a-1", "text": "The same id again.", "stars": 4},
    {"id": "a-6", "text": "How do I log in?", "stars": 4},
]
JOB = """
[input]
path = "rows.jsonl"
id = "id"

[request]
model = "claude-haiku-5-5"
max_tokens = 20
prompt = "{{ text }}"
"""


@dataclass(frozen=True)
class Said:
    """What one command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What a program reads."""
        return json.loads(self.out)


Command = Callable[..., Said]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No key, no terminal's width, no mask of earlier tests."""
    for name in ("ANTHROPIC_API_KEY", "BATCHER_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    mask = os.umask(0o022)
    yield
    os.umask(mask)


@pytest.fixture
def batcher(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command, as typed."""

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["batcher", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    return run


def write_job(folder: Path, job: str = JOB, rows: list[dict[str, Any]] | None = None) -> Path:
    """Write a job with its input."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row) for row in (ROWS if rows is None else rows)]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "job.toml").write_text(job)
    return folder / "job.toml"


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job that has run simulated: 3 truncated, 1 skipped, 1 bad; nobody changes it."""
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
    """A job that never ran."""
    return write_job(tmp_path / "fresh")
