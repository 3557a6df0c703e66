"""A full disk and a kill: acknowledged records are there, and no record is partly there."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sample_records import count, opened

from batcher.store.checkpoint import FILE_NAME
from batcher.store.journal import FILE_NAME as JOURNAL

HERE = Path(__file__).parent
FULL_BYTES = 2_000_000
FULL = """
import asyncio, os, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from sample_records import NOW, intent, outcome
from batcher.errors import CheckpointError
from batcher.store.checkpoint import Checkpoint
from batcher.store.writer import Writer

folder = Path(sys.argv[1])
Checkpoint.create(folder, version="0", now=NOW)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)

async def fill():
    writer = Writer(folder)
    kept = 0
    try:
        for n in range(1, 1000):
            answer = outcome(n, body=os.urandom(90_000))
            await asyncio.gather(writer.add("attempts", intent(n)), writer.add("outcomes", answer))
            kept = n
    except CheckpointError as error:
        print(kept, str(error) == f"{folder}/checkpoint.duckdb: " + str(error).split(": ", 1)[1])
    refused = [writer.add("attempts", intent(n)) for n in (5000, 5001)]
    endings = await asyncio.gather(*refused, return_exceptions=True)
    print([type(ending).__name__ for ending in endings], flush=True)
    writer.close()

asyncio.run(fill())
"""
ENDLESS = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from sample_records import NOW, intent, outcome
from batcher.store.checkpoint import Checkpoint
from batcher.store.writer import Writer

folder = Path(sys.argv[1])
Checkpoint.create(folder, version="0", now=NOW)

async def one(writer, n):
    await writer.add("attempts", intent(n, n))
    await writer.add("outcomes", outcome(n, n, body=bytes(2000)))
    sys.stdout.write(f"{n}\\n")
    sys.stdout.flush()

async def go():
    writer = Writer(folder)
    for n in range(1, 10**9, 20):
        await asyncio.gather(*(one(writer, n + k) for k in range(20)))

asyncio.run(go())
"""


def test_a_full_disk_stops_writing_and_keeps_committed_records(tmp_path: Path) -> None:
    """All acknowledged records are there, and later writes are refused.

    When the log had room and only the journal was full, the last group is there without having
    been acknowledged. That is safe: it is whole, the next run finds and counts it, and nothing
    was sent because of it. Only an acknowledged record that is not there would be paid twice.
    """
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), str(HERE), str(FULL_BYTES)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, refused = done.stdout.splitlines()[:2]
    kept, names_file = first.split()
    assert (int(kept) > 5, names_file) == (True, "True")
    assert refused == "['CheckpointError', 'CheckpointError']"
    journal = (tmp_path / JOURNAL).stat().st_size
    with opened(tmp_path) as checkpoint:
        stored = count(checkpoint, "outcomes")
        assert count(checkpoint, "attempts") == stored
        assert stored == int(kept) + (journal == FULL_BYTES)
        assert checkpoint.rows("SELECT max(attempt_id) FROM attempts") == [(stored,)]


@pytest.mark.parametrize("lines", [1, 40, 300])
def test_a_killed_run_loses_no_acknowledged_record(tmp_path: Path, lines: int) -> None:
    """After SIGKILL the checkpoint opens, and all acknowledged outcomes are there."""
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path), str(HERE)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines_read = [process.stdout.readline() for _ in range(lines)]
        os.kill(process.pid, signal.SIGKILL)
        lines_read += process.stdout.read().splitlines(keepends=True)
    acknowledged = {int(line) for line in lines_read if line.endswith("\n")}
    with opened(tmp_path) as checkpoint:
        stored = {number for (number,) in checkpoint.rows("SELECT attempt_id FROM outcomes")}
        assert acknowledged <= stored
        assert len(stored - acknowledged) <= 20
        orphans = "SELECT count(*) FROM outcomes ANTI JOIN attempts USING (attempt_id)"
        assert checkpoint.rows(orphans) == [(0,)]
        assert count(checkpoint, "outcomes") == len(stored)


def test_only_the_owner_can_read_the_checkpoint(tmp_path: Path) -> None:
    """With the run's umask other users can read neither the file nor its log or journal."""
    before = os.umask(0o077)
    try:
        with opened(tmp_path) as checkpoint:
            checkpoint.execute("INSERT INTO run_ends VALUES ('r', now(), 0)")
            modes = {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()}
            assert len(list(tmp_path.iterdir())) == 4
    finally:
        os.umask(before)
    assert modes == {0}
    assert (tmp_path / FILE_NAME).exists()
