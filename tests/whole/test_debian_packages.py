"""The main job at its real size, 63,666 rows; slow, so only ``make test-all`` runs it."""

import os
import random
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from test_main_job import check_bill
from whole_runs import SHARED, Job, Server, kill, wait_for

ROWS = 63_666
CONCURRENCY = 64
EXAMPLE = Path(__file__).parents[2] / "jobs" / "debian_sections"
PACKAGES = SHARED / "debian_packages.parquet"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not PACKAGES.exists(), reason="the Debian packages are not there"),
]


@pytest.fixture
def server() -> Iterator[Server]:
    """A simulator with a short latency."""
    running = Server("--latency", "0.05")
    yield running
    running.close()


def debian(folder: Path, server: Server) -> Job:
    """The example job, with one simulator."""
    shutil.copytree(EXAMPLE, folder)
    job = Job(folder, server)
    job.output = folder / "sections.parquet"
    return job


def overrides(job: Job) -> list[str]:
    """Return the overrides for the example on the command line."""
    return ["--set", f"input.path={PACKAGES}", "--set", f"api.base_url={job.server.url}"]


def peak_bytes(job: Job, *arguments: str) -> int:
    """Run the job and return its peak memory."""
    with job.start(*overrides(job), *arguments) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, process.stderr.read()
    return usage.ru_maxrss * 1024


def test_all_packages_succeed_in_bounded_memory(tmp_path: Path, server: Server) -> None:
    """Rows are in order, the bill is exact, and memory is at most 40 MB above 6,000 rows'."""
    small = debian(tmp_path / "small", server)
    peak_of_some = peak_bytes(small, "--limit", "6000")
    before = server.ledger()
    job = debian(tmp_path / "whole", server)
    job.server = server
    peak_of_all = peak_bytes(job)
    table = job.table()
    assert table.num_rows == ROWS
    assert table.column("_row").to_pylist() == list(range(1, ROWS + 1))
    assert set(table.column("_status").to_pylist()) == {"succeeded"}
    ledger = server.ledger()
    totals = job.metadata()["totals"]
    assert ledger["requests"] - before["requests"] == ROWS
    assert Decimal(totals["cost_usd"]) == Decimal(ledger["cost_usd"]) - Decimal(before["cost_usd"])
    for kind, tokens in ledger["tokens"].items():
        column = sum(value or 0 for value in table.column(f"_{kind}").to_pylist())
        assert column == totals[kind] == tokens - before["tokens"][kind]
    print(f"peak: {peak_of_some >> 20} MiB for 6,000 rows, {peak_of_all >> 20} MiB for {ROWS:,}")
    assert peak_of_all - peak_of_some <= 40_000_000


def test_three_kills_change_nothing(tmp_path: Path, server: Server) -> None:
    """After three kills and a resume the output equals an undisturbed run's."""
    undisturbed = debian(tmp_path / "undisturbed", server)
    undisturbed.run(*overrides(undisturbed))
    check_bill(undisturbed, server)

    other = Server("--latency", "0.05")
    job = debian(tmp_path / "killed", other)
    instants = sorted(random.Random().sample(range(3_000, ROWS - 3_000), 3))
    for number, instant in enumerate(instants, 1):
        process = job.start(*overrides(job))
        wait_for(other, instant)
        kill(process)
        print(f"kill {number} after {other.ledger()['answered']:,} answers")
    job.run(*overrides(job))
    assert job.stable_table() == undisturbed.stable_table()
    again = other.ledger()["requests"] - ROWS
    print(f"sent twice: {again} of {ROWS:,} over 3 kills")
    assert again <= 3 * (CONCURRENCY + 64)
    assert "nothing to send" in job.run(*overrides(job))
    assert other.ledger()["requests"] == ROWS + again
    other.close()
