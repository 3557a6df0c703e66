"""Runs with faults: the table of expected results, a measured run, and its bill."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from whole_runs import Job, Server

CANARY = "sk-ant-canary-f4u1t5"
TABLE = Path(__file__).parents[2] / "docs" / "faults.md"
SHARES = (1, 10, 30, 60, 100)
TOKEN_FIELDS = (
    "input_tokens", "cache_creation_5m_input_tokens", "cache_creation_1h_input_tokens",
    "cache_read_input_tokens", "output_tokens", "thinking_tokens",
)  # fmt: skip
# Faults that make a run wait get a short time.
_SHORT = {"slow_body": ",seconds=0.3"}
transport = "auto"
"""What carries the requests of the jobs that ``write_job`` writes."""
_MOST_HITS = 2  # faults of one row, below retry.unknown_attempts: every row can succeed


@dataclass(frozen=True)
class Case:
    """One line of the table in docs/faults.md; without an error type, attempts succeed."""

    kind: str
    types: dict[bool, set[str]]  # key: whether responses are streamed
    billing: str
    code_of_some: int
    code_of_every: int


def cases() -> list[Case]:
    """Read the table; a fault of streams only has no error type for other responses."""
    table = []
    for line in TABLE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 6 or not re.fullmatch(r"`\w+`", cells[1]):
            continue
        plain, _, streamed = cells[2].partition("streamed ")
        types = {True: set(re.findall(r"[\w.]+(?=`)", streamed or plain))}
        if plain:
            types[False] = set(re.findall(r"[\w.]+(?=`)", plain))
        table.append(Case(cells[1].strip("`"), types, cells[3], int(cells[4]), int(cells[5])))
    return table


def mark(kind: str, share: int) -> str:
    """Return the text in a prompt that causes a fault in ``share`` percent of the requests."""
    return f"({kind} in {share} of 100)"


def fault_server(*kinds: str) -> Server:
    """Start a simulator with a rule for each fault and share; 1 of 100 means one request."""
    arguments = ["--keep-requests", "--seed", "7"]
    for kind in kinds:
        for share in SHARES:
            when = {1: "times=1", 100: "rate=1"}.get(
                share, f"rate={share / 100},attempts={_MOST_HITS}"
            )
            rule = f"{kind}:{when},match={mark(kind, share)}{_SHORT.get(kind, '')}"
            arguments += ["--fault", rule]
    return Server(*arguments)


def write_job(
    job: Job, marks: Sequence[str], each: int, *, is_streamed: bool, patience_s: int = 60
) -> Job:
    """Write a job with ``each`` rows for each mark and short waiting times."""
    rows = [{"mark": text, "text": f"{text} row {n}"} for n in range(each) for text in marks]
    return job.write(
        rows,
        limits="concurrency = 16\ntimeout_s = 5",
        api=f'idle_timeout_s = 2\nstream = {str(is_streamed).lower()}\ntransport = "{transport}"',
        more=f"[retry]\nattempts = 3\nmax_wait_s = 0.05\npatience_s = {patience_s}\n",
    )


@dataclass(frozen=True)
class RunResult:
    """The exit code, output and peak memory of a run."""

    code: int
    printed: str
    peak_mib: float


def measured(job: Job, *arguments: str) -> RunResult:
    """Run a job, and check that its key is in no file and no output."""
    log = job.folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "batcher", "run", str(job.path), "--yes", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "ANTHROPIC_API_KEY": CANARY},
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    printed = log.read_text("utf-8")
    assert "Traceback" not in printed
    for path in job.folder.rglob("*"):
        assert path.is_dir() or CANARY.encode() not in path.read_bytes(), path
    return RunResult(process.returncode, printed, usage.ru_maxrss / 1024)


class Accounting:
    """The attempts in a job's checkpoint, and its server's requests after number ``first``.

    Read them after the run has ended and the server has no request in flight.
    """

    def __init__(self, job: Job, first: int = 0) -> None:
        server = job.server
        deadline = time.monotonic() + 30
        while server.ledger()["in_flight"]:
            assert time.monotonic() < deadline, "the simulator still has requests in flight"
        self.entries = [entry for entry in server.entries() if entry["sequence"] > first]
        path = job.folder / "runs" / "job" / "checkpoint.duckdb"
        with duckdb.connect(str(path), read_only=True) as connection:
            rows = connection.execute(
                "SELECT * FROM attempts LEFT JOIN outcomes USING (attempt_id, fingerprint)"
            )
            names = [column[0] for column in rows.description]
            self.attempts = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
        for attempt in self.attempts:
            assert CANARY not in str(attempt)

    def failing(self) -> Iterator[dict[str, Any]]:
        """Return the failed attempts."""
        return (attempt for attempt in self.attempts if attempt["status"] != "succeeded")

    def check(self, *, unreceived: int = 0, unpriced: int = 0) -> None:
        """Compare checkpoint and server: requests, tokens and dollars.

        ``unreceived`` attempts used a closed connection, so that the server did not receive them.
        ``unpriced`` ones were answered without a usage that can be priced.
        """
        assert len(self.attempts) == len(self.entries) + unreceived
        unmatched = {entry["request_id"]: entry for entry in self.entries}
        assert len(unmatched) == len(self.entries)
        for attempt in self.attempts:
            assert attempt["billing"] is not None  # every attempt has an outcome
            if attempt["billing"] == "billed" and attempt["cost_usd"] is None:
                unpriced -= 1
                entry = unmatched.pop(attempt["request_id"])
                assert Decimal(entry["cost_usd"]) <= attempt["worst_case_usd"]
            elif attempt["billing"] == "billed":
                entry = unmatched.pop(attempt["request_id"])
                assert attempt["cost_usd"] == Decimal(entry["cost_usd"])
                assert {kind: attempt[kind] for kind in TOKEN_FIELDS} == entry["usage"]
            elif attempt["billing"] == "free" and attempt["request_id"]:
                assert unmatched.pop(attempt["request_id"])["usage"] is None
        assert unpriced == 0
        unknown = [row["worst_case_usd"] for row in self.attempts if row["billing"] == "unknown"]
        billed = [Decimal(entry["cost_usd"]) for entry in unmatched.values() if entry["usage"]]
        assert len(billed) <= len(unknown)
        assert sum(billed) <= sum(unknown)
