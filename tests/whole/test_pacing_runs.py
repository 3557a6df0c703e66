"""Runs with unknown rate limits: few refusals, no lost rows, and the limit is reported."""

import json
from pathlib import Path

import pytest
from whole_runs import Job, Server


def rows(count: int) -> list[dict[str, str]]:
    """Return rows with different prompts."""
    return [{"id": f"r{n}", "text": f"thing number {n}"} for n in range(count)]


@pytest.mark.parametrize(
    "burst",
    [
        pytest.param("0.0166667", id="by the second", marks=pytest.mark.slow),
        pytest.param("0.05", id="by the minute", marks=pytest.mark.slow),
    ],
)
def test_a_limit_is_found_and_kept(burst: str, tmp_path: Path) -> None:
    """20 requests per second, 200 rows, 50 at once: at most five refusals, and all rows succeed."""
    server = Server("--requests-per-minute", "1200", "--burst", burst, "--latency", "0.05")
    job = Job(tmp_path, server).write(rows(200), limits="concurrency = 50\n")
    job.run()
    ledger = server.ledger()
    assert set(job.table().column("_status").to_pylist()) == {"succeeded"}
    assert ledger["answered"] == 200
    assert ledger["requests"] < 206
    (record,) = (tmp_path / "runs/job").glob("*/run.json")
    assert json.loads(record.read_text())["seconds_by_limiter"]["requests/min"] > 0
    server.close()


@pytest.mark.slow
def test_two_runs_share_one_limit(tmp_path: Path) -> None:
    """Headers show each run what the other uses: together they have few refusals."""
    server = Server("--requests-per-minute", "1200", "--burst", "0.2", "--latency", "0.05")
    jobs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        job = Job(tmp_path / name, server)
        jobs.append(job.write([{**row, "text": f"{name} {row['id']}"} for row in rows(200)]))
    running = [job.start() for job in jobs]
    for process in running:
        _, printed = process.communicate(timeout=120)
        assert process.returncode == 0, printed
    assert server.ledger()["answered"] == 400
    assert server.ledger()["requests"] < 420
    server.close()
