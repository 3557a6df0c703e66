"""Runs that meet faults: the table of what should happen, a measured run, and its bill."""

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
KINDS_OF_TOKENS = (
    "input_tokens", "cache_creation_5m_input_tokens", "cache_creation_1h_input_tokens",
    "cache_read_input_tokens", "output_tokens", "thinking_tokens",
)  # fmt: skip
# A fault that has to be waited for is made short, and one that needs nothing is left as it is.
_SHORT = {"slow_body": ",seconds=0.3"}
_MOST_HITS = 2  # of one row, below retry.unknown_attempts, so that every row can be answered


@dataclass(frozen=True)
class Case:
    """One line of the table in docs/faults.md; without an error type attempts are answered."""

    kind: str
    types: dict[bool, set[str]]  # by whether answers are streamed
    billing: str
    code_of_some: int
    code_of_every: int


def cases() -> list[Case]:
    """Read the table; a fault that only a stream can have has no type for other answers."""
    found = []
    for line in TABLE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 6 or not re.fullmatch(r"`\w+`", cells[1]):
            continue
        plain, _, streamed = cells[2].partition("streamed ")
        types = {True: set(re.findall(r"[\w.]+(?=`)", streamed or plain))}
        if plain:
            types[False] = set(re.findall(r"[\w.]+(?=`)", plain))
        found.append(Case(cells[1].strip("`"), types, cells[3], int(cells[4]), int(cells[5])))
    return found


def mark(kind: str, share: int) -> str:
    """What in a prompt calls for a fault in that share of the requests."""
    return f"({kind} in {share} of 100)"


def fault_server(*kinds: str) -> Server:
    """A simulator with a rule for each fault and share; 1 of 100 is exactly one request a rule."""
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
    """A job that asks about so many rows with each mark, and does not wait for long."""
    rows = [{"mark": text, "text": f"{text} row {n}"} for n in range(each) for text in marks]
    return job.write(
        rows,
        limits="concurrency = 16\ntimeout_s = 5",
        api=f"idle_timeout_s = 2\nstream = {str(is_streamed).lower()}",
        more=f"[retry]\nattempts = 3\nmax_wait_s = 0.05\npatience_s = {patience_s}\n",
    )


@dataclass(frozen=True)
class Ended:
    """How a run ended, what it said, and the most memory it took."""

    code: int
    said: str
    peak_mib: float


def measured(job: Job, *arguments: str) -> Ended:
    """Run a job with a key that must not be seen anywhere, and look for it everywhere."""
    heard = job.folder / "heard.txt"
    with heard.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "batcher", "run", str(job.path), "--yes", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "ANTHROPIC_API_KEY": CANARY},
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    said = heard.read_text("utf-8")
    assert "Traceback" not in said
    for path in job.folder.rglob("*"):
        assert path.is_dir() or CANARY.encode() not in path.read_bytes(), path
    return Ended(process.returncode, said, usage.ru_maxrss / 1024)


class Accounting:
    """What the checkpoint of a job says, and what its server says of its requests since ``first``.

    They can be read when the run is over, and the server sees soon after that it is.
    """

    def __init__(self, job: Job, first: int = 0) -> None:
        server = job.server
        deadline = time.monotonic() + 30
        while server.ledger()["in_flight"]:
            assert time.monotonic() < deadline, "the simulator does not notice that the run is over"
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
        """Attempts that came to nothing."""
        return (one for one in self.attempts if one["status"] == "errored")

    def check(self, *, unbooked: int = 0) -> None:
        """Hold the two against each other, request by request, token by token, dollar by dollar.

        ``unbooked`` attempts met a connection that was gone, so that the server knows nothing of
        them.
        """
        assert len(self.attempts) == len(self.entries) + unbooked
        unseen = {entry["request_id"]: entry for entry in self.entries}
        assert len(unseen) == len(self.entries)
        for attempt in self.attempts:
            assert attempt["billing"] is not None  # every attempt came to an outcome
            if attempt["billing"] == "billed":
                entry = unseen.pop(attempt["request_id"])
                assert attempt["cost_usd"] == Decimal(entry["cost_usd"])
                assert {kind: attempt[kind] for kind in KINDS_OF_TOKENS} == entry["usage"]
            elif attempt["billing"] == "free" and attempt["request_id"]:
                assert unseen.pop(attempt["request_id"])["usage"] is None
        unknown = [one["worst_case_usd"] for one in self.attempts if one["billing"] == "unknown"]
        paid_unseen = [Decimal(entry["cost_usd"]) for entry in unseen.values() if entry["usage"]]
        assert len(paid_unseen) <= len(unknown)
        assert sum(paid_unseen) <= sum(unknown)
