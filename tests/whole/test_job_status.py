"""batcher status tells of the job first: its rows and its money, not only those of the last run."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from whole_runs import Job, Server

from batcher.core.money.display import rounded_text


def progress(job: Job) -> dict[str, Any]:
    """Return how far the job is, as a program reads it."""
    shown: dict[str, Any] = json.loads(job.command("status", "--json"))["progress"]
    return shown


def test_runs_are_parts_of_a_job(tmp_path: Path) -> None:
    """After a limited run, one that the budget stops and one to the end, the figures add up."""
    server = Server()
    job = Job(tmp_path, server).write([*({"text": f"thing {n}"} for n in range(59)), {"id": "bad"}])
    job.run("--set", "input.limit=5", "--set", "limits.max_failed=1")
    first = progress(job)
    assert (first["total"], first["scope"]) == (5, ["input.limit=5"])
    assert "(with input.limit=5)" in job.command("status").splitlines()[0]
    budget = "[budget]\nmax_cost_usd = 0.0015\n"
    job.write(more=budget).run(
        "--set", "limits.concurrency=1", "--set", "limits.max_failed=1", code=6
    )
    second, billed = progress(job), Decimal(server.ledger()["cost_usd"])
    assert Decimal(second["spent"]) == billed
    assert second["total"] == 60
    assert 0 < second["answered"] + second["failed"] < 60
    line = job.command("status").splitlines()[0]
    shown = f"{second['answered']} of 60 answered, {rounded_text(billed)} of $0.0015 spent"
    assert line.startswith(f"job: {shown}")
    job.write().run(code=3)
    third = progress(job)
    statuses = job.table().column("_status").to_pylist()
    assert third["answered"] == statuses.count("succeeded")
    assert third["failed"] == 1
    assert Decimal(third["spent"]) == Decimal(server.ledger()["cost_usd"])
    server.close()
