"""A full disk: paid answers are kept, a message says so, and with free space the job resumes."""

import os
import random
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from whole_runs import Job, Server, wait_for

from batcher.store.disk_space import free_bytes

MIB = 1 << 20
ROWS = [{"id": f"r{n}", "text": f"[[tokens:700]] number {n}"} for n in range(1500)]
LONG = ("--set", "request.max_tokens=900")
FAST = (*LONG, "--set", "limits.concurrency=64")


@pytest.fixture
def disk() -> Iterator[Path]:
    """A small disk, outside pytest's folder, where a disk left by a kill would disturb."""
    with tempfile.TemporaryDirectory(prefix="batcher-disk-", ignore_cleanup_errors=True) as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=144m", "none", folder]
        if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("only root may mount a disk")
        yield Path(folder)
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Fill a disk except for ``leave`` bytes."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free_bytes(disk) - leave)
    assert free_bytes(disk) <= leave
    return filler


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], pa.Table]:
    """Return the output of a number of rows on a large disk, without varying columns."""

    @cache
    def output(rows: int) -> pa.Table:
        server = Server()
        job = Job(tmp_path_factory.mktemp("large"), server).write(ROWS[:rows])
        job.run(*FAST)
        server.close()
        return job.stable_table()

    return output


def recorded(job: Job) -> tuple[int, int]:
    """Return the number of attempts and outcomes in the checkpoint."""
    path = job.folder / "runs" / "job" / "checkpoint.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        query = "SELECT (SELECT count(*) FROM attempts), (SELECT count(*) FROM outcomes)"
        return connection.execute(query).fetchall()[0]


@pytest.mark.parametrize(
    ("how", "rows"),
    [
        ("at once", 600),
        pytest.param("at once", 1500, marks=pytest.mark.slow),
        pytest.param("slowly", 1500, marks=pytest.mark.slow),
    ],
)
def test_a_disk_that_fills_while_sending(
    how: str, rows: int, disk: Path, undisturbed: Callable[[int], pa.Table]
) -> None:
    """Exit 1; no answer is lost; with free space the same command completes the job."""
    server = Server("--latency", "0.02")
    job = Job(disk, server).write(ROWS[:rows])
    filler = fill(disk, leave=(64 + 32) * MIB + 1_000_000) if how == "slowly" else None
    process = job.start(*LONG)
    if filler is None:
        wait_for(server, rows // 5)
        filler = fill(disk, leave=100_000)  # not 0: the run itself uses some
    _, printed = process.communicate(timeout=100)
    assert process.returncode == 1, printed
    assert f"the disk is full: {disk}/runs/job has" in printed
    assert "free at least 96 MiB" in printed
    assert "next" in printed
    assert "Traceback" not in printed
    assert not job.output.exists()
    assert not (disk / "runs/job/ballast").exists()
    filler.unlink()
    ledger = server.ledger()
    assert 0 < ledger["requests"] < rows
    assert recorded(job) == (ledger["requests"], ledger["requests"])
    job.run(*FAST)
    assert server.ledger()["requests"] == rows
    assert job.stable_table().equals(undisturbed(rows))
    server.close()


def test_no_space_for_the_requests_in_flight(disk: Path) -> None:
    """A run without space for the requests in flight does not start."""
    server = Server()
    job = Job(disk, server).write(ROWS[:20])
    filler = fill(disk, leave=80 * MIB)
    printed = job.run(*LONG, code=1)
    assert "the disk is full" in printed
    assert "at least 96 MiB" in printed
    assert server.ledger()["requests"] == 0
    filler.unlink()
    job.run(*LONG)
    server.close()


@pytest.mark.parametrize("leave", [0, 40_000, 400_000])
def test_no_space_for_a_checkpoint(leave: int, disk: Path) -> None:
    """Nothing is sent, and no partial file disturbs the next run."""
    server = Server()
    job = Job(disk, server).write(ROWS[:20])
    filler = fill(disk, leave=leave)
    printed = job.run(*LONG, code=1)
    assert "No space left" in printed or "the disk is full" in printed
    assert server.ledger()["requests"] == 0
    filler.unlink()
    job.run(*LONG)
    assert job.table().num_rows == 20
    server.close()


def test_no_space_for_the_output(disk: Path) -> None:
    """No partial output remains; with free space it is written, and nothing is sent."""
    server = Server()
    # A kept column that cannot be compressed: DuckDB may free more space than a small output needs.
    noise = random.Random(1)
    job = Job(disk, server)
    job.write([{**row, "noise": noise.randbytes(4_000).hex()} for row in ROWS[:400]])
    job.run(*LONG)
    whole = job.stable_table()
    job.output.unlink()
    filler = fill(disk, leave=8192)
    printed = job.run(*LONG, code=1)
    assert f"the output cannot be written: {job.output}" in printed
    assert [path.name for path in disk.glob(".*")] == []
    assert not job.output.exists()
    filler.unlink()
    job.run(*LONG)
    assert job.stable_table().equals(whole)
    assert server.ledger()["requests"] == 400
    server.close()
