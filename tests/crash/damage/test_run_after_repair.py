"""From damage to a finished job: doctor, two renames, and the same command again."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from damaging import LOG
from whole_runs import Job, Server, kill, wait_for

from batcher.store.checkpoint import FILE_NAME

ROWS = 200
BLOCKS_FROM, BLOCK = 3 * 4096, 256 << 10


@pytest.fixture
def server() -> Iterator[Server]:
    """A simulator with a latency, so that a run can be killed while it sends."""
    running = Server("--latency", "0.02")
    yield running
    running.close()


def run_doctor(job: Job) -> tuple[int, dict[str, Any]]:
    """Run ``batcher doctor --json``; return its exit code and its findings."""
    command = [sys.executable, "-m", "batcher", "doctor", str(job.path), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in ended.stderr
    return ended.returncode, json.loads(ended.stdout)


def sums(state: Path) -> tuple[int, Decimal]:
    """Return the number of final outcomes in a checkpoint, and the sum of all costs."""
    with duckdb.connect(str(state / FILE_NAME), read_only=True) as connection:
        query = "SELECT count(*) FILTER (WHERE is_final), sum(cost_usd) FROM outcomes"
        ((answers, cost),) = connection.execute(query).fetchall()
    return answers, cost


def block_of(state: Path, table: str, column: str) -> int:
    """Return the position of a column's first block in the file."""
    query = (
        "SELECT min(block_id) FROM pragma_storage_info(?) "
        "WHERE column_name = ? AND segment_type <> 'VALIDITY' AND block_id >= 0"
    )
    with duckdb.connect(str(state / FILE_NAME), read_only=True) as connection:
        ((block,),) = connection.execute(query, [table, column]).fetchall()
    return BLOCKS_FROM + block * BLOCK


def damage_block(state: Path, table: str, column: str) -> None:
    """Overwrite a sector in a column's first block."""
    position = block_of(state, table, column)
    with (state / FILE_NAME).open("r+b") as file:
        file.seek(position + 512)
        file.write(os.urandom(4096))


def truncate_log(state: Path) -> None:
    """Remove the second half of the log."""
    os.truncate(state / LOG, (state / LOG).stat().st_size // 2)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(truncate_log, id="log truncated", marks=pytest.mark.slow),
        pytest.param(
            lambda state: (state / LOG).unlink(), id="log missing", marks=pytest.mark.slow
        ),
    ],
)
def test_after_records_are_lost(
    damage: Callable[[Path], None], tmp_path: Path, server: Server
) -> None:
    """A killed run that lost records sends only their requests again."""
    job = Job(tmp_path, server)
    state = tmp_path / "runs" / "job"
    process = job.write([{"text": f"thing {n}"} for n in range(ROWS)]).start()
    wait_for(server, ROWS // 2)
    kill(process)
    damage(state)
    assert "doctor" in job.run(code=1)
    finish(job, server, state)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("outcomes", "body"),
        pytest.param("attempts", "fingerprint", marks=pytest.mark.slow),
    ],
)
def test_after_a_block_is_lost(table: str, column: str, tmp_path: Path, server: Server) -> None:
    """A finished job with a bad sector sends the requests of unreadable records again."""
    job = Job(tmp_path, server)
    state = tmp_path / "runs" / "job"
    job.write([{"text": f"thing {n}"} for n in range(ROWS)]).run()
    before = job.stable_table()
    damage_block(state, table, column)
    finish(job, server, state)
    assert job.stable_table().select(["text", "_status"]).equals(before.select(["text", "_status"]))


def finish(job: Job, server: Server, state: Path) -> None:
    """Repair the checkpoint, rename it, run, and compare the ledger with the lost records."""
    code, found = run_doctor(job)
    assert code == 1
    repaired = Path(found["repaired"])
    kept, _ = sums(repaired)
    requests = server.ledger()["requests"]
    state.rename(state.with_name("job.damaged"))
    repaired.rename(state)
    job.run()
    ledger = server.ledger()
    assert ledger["requests"] - requests == ROWS - kept
    answers, cost = sums(state)
    assert answers == ROWS
    assert job.table().num_rows == ROWS
    if not found["records"]["missing"] and not found["open_attempts"]["attempts"]:
        assert cost == Decimal(ledger["cost_usd"]), "the bill includes the cost of lost responses"
    assert run_doctor(job)[0] == 0
