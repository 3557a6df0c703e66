"""Runs against limits that no header tells: most requests pass, and the next run starts there."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from whole_runs import Job, Server


def rows(count: int) -> list[dict[str, str]]:
    """Return rows with different prompts."""
    return [{"id": f"r{n}", "text": f"thing number {n}"} for n in range(count)]


def learned(folder: Path) -> list[dict[str, Any]]:
    """Return the limit on requests in the record of each run, the oldest first; it is learned."""
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("runs/job/*/run.json"))]
    limits = [
        limit["requests/min"] for record in records for limit in record["observed_limits"].values()
    ]
    assert len(limits) == len(records)
    assert all(limit["is_learned"] for limit in limits)
    return limits


HIDDEN = [
    pytest.param(20, 1, "nothing", 60, id="one each 20 ms"),
    pytest.param(20, 10, "plenty", 60, id="a burst of 10, headers always plenty"),
    pytest.param(50, 1, "minute", 300, id="one each 50 ms", marks=pytest.mark.slow),
    pytest.param(50, 1, "nothing", 300, id="the same, no headers", marks=pytest.mark.slow),
    pytest.param(50, 20, "plenty", 289, id="a burst of 20", marks=pytest.mark.slow),
    pytest.param(50, 20, "nothing", 289, id="the same without headers", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("spacing_ms", "burst", "headers", "count"), HIDDEN)
def test_a_hidden_limit_is_found_and_kept(
    spacing_ms: int, burst: int, headers: str, count: int, tmp_path: Path
) -> None:
    """Every row succeeds, most at once, and a second run starts from what the first learned."""
    options = ("--spacing-ms", str(spacing_ms), "--spacing-burst", str(burst))
    limit = ("--requests-per-minute", str(60_000 // spacing_ms), "--limit-headers", headers)
    with closing(Server(*options, *limit, "--latency", "0.02")) as server:
        job = Job(tmp_path, server).write(rows(count), limits="concurrency = 50\n")
        job.run()
        ledger = server.ledger()
        assert ledger["answered"] == count
        assert ledger["requests"] - count <= count / 2
        (first,) = learned(tmp_path)
        assert first["per_minute"] <= 1.3 * 60_000 / spacing_ms
        job.write(rows(count + 3), limits="concurrency = 50\n").run()
        assert server.ledger()["answered"] == count + 3
        _, second = learned(tmp_path)
        assert second["per_minute"] <= first["per_minute"]
