"""Types and a job for tests that run commands in this process."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
class CommandResult:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The value of the JSON on stdout."""
        return json.loads(self.out)


Command = Callable[..., CommandResult]


def write_job(folder: Path, job: str = JOB, rows: list[dict[str, Any]] | None = None) -> Path:
    """Write a job with its input."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row) for row in (ROWS if rows is None else rows)]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "job.toml").write_text(job)
    return folder / "job.toml"
