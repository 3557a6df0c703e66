"""A job in its own folder, the commands run on it, and their results."""

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

Interruption = tuple[str, int, int]
"""A moment, the number of its occurrence, and the signal sent then."""
NO_INTERRUPTION: Interruption = ("never", 0, 0)


class CommandForker:
    """A process that has imported batcher and forks commands on request."""

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
        """End this process and its command."""
        self._process.stdin.close()
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.stdout.close()
        self._process.wait(20)


@dataclass(frozen=True, slots=True)
class Outcome:
    """An attempt and its outcome in the checkpoint; ``billing`` is None without an outcome."""

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
        """Whether the billing status is unknown."""
        return self.billing in (None, "unknown")


@dataclass(frozen=True)
class CheckpointContent:
    """The content of a checkpoint that no process has open."""

    attempts: list[Outcome] = field(default_factory=list)
    replacements: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path) -> "CheckpointContent":
        """Read one; a file that is not there holds nothing."""
        if not path.exists():
            return cls()
        with duckdb.connect(str(path), read_only=True) as connection:
            attempts = connection.execute(
                "SELECT a.attempt_id, replace(a.fingerprint::VARCHAR, '-', ''), a.run_id, "
                "is_final OR attempt_id IN (SELECT attempt_id FROM settled), "
                "status, billing, cost_usd, request_id "
                "FROM attempts a LEFT JOIN outcomes o USING (attempt_id) ORDER BY ALL"
            ).fetchall()
            pairs = connection.execute(
                "SELECT replace(fingerprint::VARCHAR, '-', ''), "
                "replace(replaced_by::VARCHAR, '-', '') FROM replacements"
            ).fetchall()
        return cls([Outcome(*row) for row in attempts], set(pairs))

    def finals(self) -> list[Outcome]:
        """Return the final outcomes, oldest first."""
        return [attempt for attempt in self.attempts if attempt.is_final]

    def variants(self, fingerprint: str) -> set[str]:
        """Return a request and all its replacements."""
        return {fingerprint} | {new for old, new in self.replacements if old == fingerprint}

    def answer(self, fingerprint: str) -> Outcome | None:
        """Return the answer: the first success, else the last final outcome, else the last one."""
        variants = self.variants(fingerprint)
        finished = [a for a in self.attempts if a.fingerprint in variants and a.billing is not None]
        finals = [attempt for attempt in finished if attempt.is_final]
        successes = [attempt for attempt in finals if attempt.status == "succeeded"]
        return next(iter(successes or finals[-1:] or finished[-1:]), None)


@dataclass(frozen=True)
class CommandRun:
    """A finished command: the checkpoint before and after it, and its lines of the ledger."""

    number: int
    is_retry: bool
    exit_code: int
    before: CheckpointContent
    after: CheckpointContent
    lines: list[dict[str, Any]]

    def new_attempts(self) -> list[Outcome]:
        """Return the attempts that the command recorded."""
        return self.after.attempts[len(self.before.attempts) :]

    @property
    def was_killed(self) -> bool:
        """Whether a signal killed the command."""
        return self.exit_code < 0

    @property
    def has_ended(self) -> bool:
        """Whether the command wrote its output."""
        return self.exit_code in (0, 3, 5)


@dataclass
class Job:
    """A job: its job file, input, ledger and commands."""

    folder: Path
    forker: CommandForker
    has_ids: bool
    rows: list[dict[str, Any]]
    prompt: str = "1"
    on_change: str = "redo"
    commands: list[CommandRun] = field(default_factory=list)

    @property
    def output(self) -> Path:
        """The path of the output."""
        return self.folder / "out.parquet"

    def ledger(self) -> list[dict[str, Any]]:
        """Return all requests that the API received, with their cost."""
        path = self.folder / "ledger.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def content(self) -> CheckpointContent:
        """Return the content of the checkpoint."""
        return CheckpointContent.read(self.folder / "runs" / "job" / "checkpoint.duckdb")

    def table(self) -> pa.Table:
        """Read the output."""
        return pq.read_table(self.output)

    def output_text(self) -> str:
        """Return the output text of the last command."""
        return (self.folder / "log.txt").read_text()

    def do(
        self, command: str, arguments: Sequence[str], seed: int, interruption: Interruption
    ) -> CommandRun:
        """Write the input, run a command, and record its results."""
        self._write()
        before = self.commands[-1].after if self.commands else CheckpointContent()
        number = len(self.commands)
        order = {
            "arguments": [command, str(self.folder / "job.toml"), "--yes", *arguments],
            "log": str(self.folder / "log.txt"),
            "ledger": str(self.folder / "ledger.jsonl"),
            "run": number,
            "seed": seed,
            "interruption": interruption,
        }
        exit_code = self.forker.run(order)
        lines = [line for line in self.ledger() if line["run"] == number]
        command_run = CommandRun(
            number, command == "retry", exit_code, before, self.content(), lines
        )
        self.commands.append(command_run)
        return command_run

    def _write(self) -> None:
        lines = "".join(json.dumps(row) + "\n" for row in self.rows)
        _write_if_changed(self.folder / "rows.jsonl", lines)
        _write_if_changed(
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


def _write_if_changed(path: Path, text: str) -> None:
    """Write a file if its content changed: a file with a new time would be another input."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
