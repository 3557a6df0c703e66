"""Runs in batches, against the simulator over real HTTP, with a clock that runs fast."""

import json
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from whole_runs import Job, Server

BATCH = '[delivery]\nmode = "batch"\nbatch_rows = {rows}\npoll_s = 0.2\n'
ROWS = [{"text": f"row {number}"} for number in range(40)]


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A simulator whose batches take less than a second."""
    arguments = getattr(request, "param", ())
    fast = ("--batch-speed", "600", "--batch-spread", "0", "--batch-median-s", "100")
    server = Server("--latency", "0", *fast, *arguments)
    yield server
    server.close()


def batches(server: Server) -> list[dict[str, Any]]:
    """Return what became of each batch, by the simulator's own record."""
    with urllib.request.urlopen(f"{server.url}/_simulator/batches") as response:
        return json.load(response)["data"]


def write(job: Job, rows: int = 15, more: str = "", **keys: str) -> Job:
    """Write a job that sends batches."""
    return job.write(ROWS, more=BATCH.format(rows=rows) + more, **keys)


def test_a_run_in_batches_answers_every_row_at_half_the_price(job: Job, server: Server) -> None:
    """The output is that of a live run, and the bill is the ledger's."""
    write(job).run()
    table = job.table()
    assert table.column("_status").to_pylist() == ["succeeded"] * len(ROWS)
    assert set(table.column("_delivery").to_pylist()) == {"batch"}
    made = batches(server)
    assert [batch["requests"] for batch in made] == [15, 15, 10]
    billed = sum(Decimal(batch["cost_usd"]) for batch in made)
    assert Decimal(job.metadata()["totals"]["cost_usd"]) == billed
    assert Decimal(server.ledger()["cost_usd"]) == billed
