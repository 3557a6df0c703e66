"""A job in a folder of its own, the commands that run it, and all that can be seen of it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

CONCURRENCY = 4
ALLOWANCE = 2
_FORKED_RUN = Path(__file__).with_name("forked_run.py")

Doom = tuple[str, int, int]
"""A moment, the how manyth of it, and the signal that comes then."""
NO_DOOM: Doom = ("never", 0, 0)


class Forker:
    """A process that has imported batcher and forks a command at a word."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_FORKED_RUN)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, order: dict[str, Any]) -> int:
        """Run a command to its end and return its exit code, negative for a signal."""
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it, and a command that is still going on."""
        self._process.stdin.close()
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.stdout.close()
        self._process.wait(20)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a checkpoint says of one attempt; ``billing`` is None while nothing came back."""

    attempt_id: int
    fingerprint: str
    run_id: str
    is_final: bool | None
    status: str | None
    billing: str | None
    cost_usd: Decimal | None
    request_id: str | None

    @property
    def is_unknown(self) -> bool:
        """Whether its billing status is unknown."""
        return self.billing in (None, "unknown")


@dataclass(frozen=True)
class Held:
    """What a checkpoint holds, read while nobody else has it open."""

    attempts: list[Outcome] = field(default_factory=list)
    replacements: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path) -> "Held":
        """Read one; a file that is not there holds nothing."""
        if not path.exists():
            return cls()
        with duckdb.connect(str(path), read_only=True) as connection:
            attempts = connection.execute(
                "SELECT a.attempt_id, replace(a.fingerprint::VARCHAR, '-', ''), run_id, is_final, "
                "status, billing, cost_usd, request_id "
                "FROM attempts a LEFT JOIN outcomes o USING (attempt_id) ORDER BY ALL"
            ).fetchall()
            pairs = connection.execute(
                "SELECT replace(fingerprint::VARCHAR, '-', ''), "
                "replace(replaced_by::VARCHAR, '-', '') FROM replacements"
            ).fetchall()
        return cls([Outcome(*row) for row in attempts], set(pairs))

    def finals(self) -> list[Outcome]:
        """What is settled, oldest first."""
        return [attempt for attempt in self.attempts if attempt.is_final]

    def forms(self, fingerprint: str) -> set[str]:
        """A request and all that replaced it."""
        return {fingerprint} | {new for old, new in self.replacements if old == fingerprint}

    def answer(self, fingerprint: str) -> Outcome | None:
        """What counts for a request: the first success, else the last word, else the last try."""
        forms = self.forms(fingerprint)
        came_back = [a for a in self.attempts if a.fingerprint in forms and a.billing is not None]
        finals = [attempt for attempt in came_back if attempt.is_final]
        successes = [attempt for attempt in finals if attempt.status == "succeeded"]
        return next(iter(successes or finals[-1:] or came_back[-1:]), None)


@dataclass(frozen=True)
class Episode:
    """One command: what was there before and after it, and what the API saw of it."""

    number: int
    is_retry: bool
    exit_code: int
    before: Held
    after: Held
    lines: list[dict[str, Any]]

    def news(self) -> list[Outcome]:
        """The attempts that it recorded."""
        return self.after.attempts[len(self.before.attempts) :]

    @property
    def was_killed(self) -> bool:
        """Whether it could not end in order."""
        return self.exit_code < 0

    @property
    def has_ended(self) -> bool:
        """Whether it came to its output."""
        return self.exit_code in (0, 3, 5)


@dataclass
class Job:
    """The job file, the input and the ledger."""

    folder: Path
    forker: Forker
    has_ids: bool
    rows: list[dict[str, Any]]
    prompt: str = "1"
    on_change: str = "redo"
    episodes: list[Episode] = field(default_factory=list)

    @property
    def output(self) -> Path:
        """Where the output lies."""
        return self.folder / "out.parquet"

    def ledger(self) -> list[dict[str, Any]]:
        """All requests that the API received, with what they were billed."""
        path = self.folder / "ledger.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def held(self) -> Held:
        """What the checkpoint holds."""
        return Held.read(self.folder / "runs" / "job" / "checkpoint.duckdb")

    def table(self) -> pa.Table:
        """The output."""
        return pq.read_table(self.output)

    def printed(self) -> str:
        """What the last command said."""
        return (self.folder / "said.txt").read_text()

    def do(self, command: str, arguments: Sequence[str], seed: int, doom: Doom) -> Episode:
        """Write the input as it is now, run a command on it, and see what came of it."""
        self._write()
        before = self.episodes[-1].after if self.episodes else Held()
        number = len(self.episodes)
        order = {
            "arguments": [command, str(self.folder / "job.toml"), "--yes", *arguments],
            "log": str(self.folder / "said.txt"),
            "ledger": str(self.folder / "ledger.jsonl"),
            "run": number,
            "seed": seed,
            "doom": doom,
        }
        exit_code = self.forker.run(order)
        lines = [line for line in self.ledger() if line["run"] == number]
        episode = Episode(number, command == "retry", exit_code, before, self.held(), lines)
        self.episodes.append(episode)
        return episode

    def _write(self) -> None:
        lines = "".join(json.dumps(row) + "\n" for row in self.rows)
        _write_news(self.folder / "rows.jsonl", lines)
        _write_news(
            self.folder / "job.toml",
            '[input]\npath = "rows.jsonl"\n'
            + ('id = "id"\n' if self.has_ids else "")
            + '[request]\nmodel = "claude-haiku-5-5"\nmax_tokens = 40\n'
            + f'prompt = "{self.prompt}: {{{{ text }}}}"\non_change = "{self.on_change}"\n'
            '[output]\npath = "out.parquet"\n'
            f"[limits]\nconcurrency = {CONCURRENCY}\n"
            f"[retry]\nattempts = 3\nmax_wait_s = 0.01\nunknown_attempts = {ALLOWANCE}\n"
            '[api]\nbase_url = "http://127.0.0.1:9"\n'
            '[prices.overrides]\n"claude-haiku-5-5" = {input = 1, output = 5}\n',
        )


def _write_news(path: Path, text: str) -> None:
    """Write a file, but not again what it holds: a newer file would be another input."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
