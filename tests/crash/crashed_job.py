"""A job that is killed many times, and the checks after each kill."""

import json
import signal
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from kill_points import Point
from kill_tally import Tally
from run_launcher import Launcher
from whole_runs import VARYING_COLUMNS, Job, Server

CONCURRENCY = 32
GROUP_RECORDS = 64

_ATTEMPTS = (
    "SELECT attempt_id, hash(fingerprint, run_id, model, sent_at, worst_case_usd) FROM attempts"
)
_OUTCOMES = (
    "SELECT attempt_id, hash(fingerprint, is_final, status, billing, request_id, message_id, "
    "output_tokens, cost_usd, body_bytes, body, parts) FROM outcomes LEFT JOIN "
    "(SELECT attempt_id, list(data ORDER BY part) AS parts FROM body_parts GROUP BY attempt_id) "
    "USING (attempt_id)"
)
# A checkpoint of an older schema has no parts of bodies.
_WITHOUT_PARTS = (
    "CREATE TEMP VIEW body_parts AS SELECT 0 AS attempt_id, 0 AS part, 0 AS data LIMIT 0"
)
_HAS_PARTS = "SELECT count(*) > 0 FROM duckdb_tables() WHERE table_name = 'body_parts'"
_DUPLICATE_FINALS = "SELECT count(*) - count(DISTINCT fingerprint) FROM outcomes WHERE is_final"
_DUPLICATE_ROWS_SEEN = "SELECT count(*) - count(DISTINCT key) FROM rows_seen"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The content of a checkpoint: a hash of each attempt, and of each outcome with its body."""

    attempts: dict[int, int] = field(default_factory=dict)
    outcomes: dict[int, int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Snapshot":
        """Read a checkpoint that no process has open; a missing one is empty."""
        if not path.exists():
            return cls()
        with duckdb.connect(str(path), read_only=True) as connection:
            attempts = dict(connection.execute(_ATTEMPTS).fetchall())
            ((has_parts,),) = connection.execute(_HAS_PARTS).fetchall()
            if not has_parts:
                connection.execute(_WITHOUT_PARTS)
            return cls(attempts, dict(connection.execute(_OUTCOMES).fetchall()))

    def missing_in(self, later: "Snapshot") -> int:
        """Count the records that are missing or different in a later snapshot."""
        return sum(
            len(before.items() - after.items())
            for before, after in (
                (self.attempts, later.attempts),
                (self.outcomes, later.outcomes),
            )
        )


class CrashedJob:
    """A job with its own simulator and launcher; compares its records after each kill."""

    def __init__(self, folder: Path, launcher: Launcher, *, latency: float = 0.01) -> None:
        folder.mkdir(parents=True)
        self.tally = Tally()
        self._launcher = launcher
        self._ledger = folder / "ledger.jsonl"
        self._server = Server("--ledger", str(self._ledger), "--latency", str(latency))
        self._log = folder / "log.txt"
        self._starts: list[float] = []
        self._seen = Snapshot()
        self._outputs: set[int] = set()
        (folder / "job").mkdir()
        self.job = Job(folder / "job", self._server)
        self.checkpoint = self.job.folder / "runs" / "job" / "checkpoint.duckdb"

    @property
    def rows_left(self) -> int:
        """The number of rows without an answer at the last kill."""
        return self.tally.rows - len(self._seen.outcomes)

    def write(
        self, rows: int, output: str = "out.parquet", *, concurrency: int = CONCURRENCY
    ) -> None:
        """Write the job file and an input with this number of rows."""
        self.tally.rows, self.tally.window = rows, concurrency + GROUP_RECORDS
        self.job.output = self.job.folder / output
        pq.write_table(pa.table({"n": range(rows)}), self.job.folder / "rows.parquet")
        self.job.path.write_text(
            '[input]\npath = "rows.parquet"\n'
            '[request]\nmodel = "claude-haiku-5-5"\nmax_tokens = 400\nprompt = "Say {{ n }}"\n'
            f'[output]\npath = "{output}"\n'
            f"[limits]\nconcurrency = {concurrency}\n"
            # The first open rows are in flight during many kills.
            "[retry]\nunknown_attempts = 1_000_000\n"
            f'[api]\nbase_url = "{self._server.url}"\n'
        )
        self._outputs.add(rows)

    def start(self, trap: Sequence[object] = ()) -> None:
        """Start the run."""
        self._starts.append(time.time())
        self._launcher.start(["run", str(self.job.path), "--yes"], self._log, trap)

    def has_ended(self, timeout_s: float) -> bool:
        """Return whether the run has ended; wait at most this many seconds for it."""
        return self._launcher.has_ended(timeout_s)

    def answered(self) -> Iterator[int]:
        """Yield the number of requests that the simulator has finished, counted at each step."""
        lines = 0
        with self._ledger.open("rb") as ledger:
            while True:
                lines += ledger.read().count(b"\n")
                yield lines

    def kill_at(self, point: Point, number: int, delay_s: float, terminate_at: int = 1) -> None:
        """Start a run that kills itself at a point; the run must reach the point."""
        self.start((point.name, number, delay_s, terminate_at))
        code = self._launcher.exit_code()
        lines = self._log.read_text().splitlines()
        assert code == -signal.SIGKILL, [point.name, code, *lines[-12:]]
        assert lines[-1] == f"killed  {point.name}", lines[-12:]
        self._check_after_kill()

    def kill(self) -> None:
        """Kill the run, which must still be running."""
        self._launcher.kill()
        code = self._launcher.exit_code()
        assert code == -signal.SIGKILL, [code, *self._log.read_text().splitlines()[-12:]]
        self._check_after_kill()

    def _check_after_kill(self) -> None:
        """Compare the records with those before the kill."""
        self.tally.kills += 1
        current = Snapshot.read(self.checkpoint)
        self.tally.broken["records_lost"] += self._seen.missing_in(current)
        self._seen = current
        received = self._server.ledger()["requests"]
        self.tally.broken["requests_without_intent"] += max(0, received - len(current.attempts))
        self.tally.broken["outputs_torn"] += not self._is_output_complete()

    def finish(self) -> None:
        """Run to the end, and check that the next run has nothing to send."""
        for _ in range(2):
            self.start()
            code = self._launcher.exit_code()
            assert code == 0, self._log.read_text()[-2000:]
        plan = self._log.read_text().rpartition("plan  ")[2]
        answered = f"{self.tally.rows:,} already answered, 0 new, 0 changed, 0 removed; 0 to send"
        assert answered in plan, plan

    def compare(self, expected_output: pa.Table) -> Tally:
        """Compare checkpoint, ledger and output with each other and with an undisturbed output."""
        self._check_after_kill()
        self.tally.kills -= 1
        billed = self._billed()
        with duckdb.connect(str(self.checkpoint), read_only=True) as connection:
            recorded = dict(
                connection.execute(
                    "SELECT request_id, cost_usd FROM outcomes WHERE billing = 'billed'"
                ).fetchall()
            )
            answered_twice, seen_twice = (
                connection.execute(query).fetchone()[0]
                for query in (_DUPLICATE_FINALS, _DUPLICATE_ROWS_SEEN)
            )
        unrecorded = [entry for request, entry in billed.items() if request not in recorded]
        by_run = Counter(bisect_right(self._starts, entry["received_at"]) for entry in unrecorded)
        due = sum(Decimal(billed[request]["cost_usd"]) for request in recorded)
        without_outcome = len(self._seen.attempts) - len(self._seen.outcomes)
        expected = {"job.toml", "rows.parquet", "runs", self.job.output.name}
        self.tally.answers_recorded = len(recorded)
        self.tally.paid_twice = list(by_run.values())
        self.tally.broken.update(
            rows_answered_twice=answered_twice,
            rows_seen_twice=seen_twice,
            usd_off=not due == sum(recorded.values()) == self._reported_usd(),
            unknown_attempts_off=max(0, len(unrecorded) - without_outcome),
            outputs_that_differ=not self.stable_table().equals(expected_output),
            files_left_behind=len({path.name for path in self.job.folder.iterdir()} - expected),
        )
        return self.tally

    def __enter__(self) -> "CrashedJob":
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is not None and self._launcher.is_running:
            self._launcher.kill()
            self._launcher.exit_code()
        self._server.close()

    def _billed(self) -> dict[str, dict[str, Any]]:
        """Return the billed requests of the ledger, by request id."""
        while self._server.ledger()["in_flight"]:
            pass
        entries = map(json.loads, self._ledger.read_text().splitlines())
        return {entry["request_id"]: entry for entry in entries if entry["usage"] is not None}

    def _files(self) -> list[Path]:
        output = self.job.output
        return sorted(output.iterdir()) if output.is_dir() else [output]

    def _reported_usd(self) -> Decimal:
        metadata = pq.read_metadata(self._files()[-1]).metadata
        return Decimal(json.loads(metadata[b"batcher"])["totals"]["cost_usd"])

    def _is_output_complete(self) -> bool:
        if not self.job.output.exists():
            return True
        try:
            rows = sum(pq.read_metadata(file).num_rows for file in self._files())
        except pa.ArrowInvalid:
            return False
        return rows in self._outputs

    def stable_table(self) -> pa.Table:
        """Return the output without the columns that differ between runs."""
        table = pa.concat_tables(map(pq.read_table, self._files()))
        return table.select([name for name in table.column_names if name not in VARYING_COLUMNS])


def undisturbed_output(folder: Path, launcher: Launcher, rows: int) -> pa.Table:
    """Return the output of the same job without kills."""
    with CrashedJob(folder, launcher, latency=0) as crashed:
        crashed.write(rows)
        crashed.finish()
        table = crashed.stable_table()
        crashed.compare(table).check()
    return table
