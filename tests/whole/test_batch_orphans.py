"""Batches that a run did not see being created, ending or expiring, over real HTTP."""

import json
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from whole_runs import Job, Server

BATCH = '[delivery]\nmode = "batch"\nbatch_rows = 5\npoll_s = 0.2\nlisted_after_s = 0.3\n'
ROWS = [{"text": f"row {number}"} for number in range(12)]
DAY_S = 86_400


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A simulator whose clock of batches moves only when a test moves it."""
    still = ("--batch-speed", "0", "--batch-spread", "0", "--batch-median-s", "60")
    server = Server("--latency", "0", "--keep-requests", *still, *getattr(request, "param", ()))
    yield server
    server.close()


def post(server: Server, path: str, value: dict[str, Any]) -> Any:
    """Post JSON as another client of the same workspace."""
    headers = {"x-api-key": "test-key", "anthropic-version": "2023-06-01"}
    body = json.dumps(value).encode()
    request = urllib.request.Request(f"{server.url}{path}", body, headers)
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def advance(server: Server, seconds: float) -> None:
    """Move the clock of the batches."""
    post(server, "/_simulator/clock", {"advance_s": seconds})


def made(server: Server) -> list[dict[str, Any]]:
    """Return what became of each batch, by the simulator's own record."""
    with urllib.request.urlopen(f"{server.url}/_simulator/batches") as response:
        return json.load(response)["data"]


def assert_paid_once(job: Job, server: Server) -> None:
    """Check that every row is answered, none was paid for twice, and the bill is the ledger's."""
    assert job.table().column("_status").to_pylist() == ["succeeded"] * len(ROWS)
    assert server.ledger()["answered"] == len(ROWS)
    assert Decimal(job.metadata()["totals"]["cost_usd"]) == Decimal(server.ledger()["cost_usd"])


def test_a_cancel_of_a_batch_that_has_just_ended_stops_nothing(job: Job, server: Server) -> None:
    """The API refuses such a cancel; the run collects the batch, and sends none of its rows."""
    job.write(ROWS, more=BATCH).run("--no-wait", code=7)
    advance(server, 3_600)
    auto = ("--set", "delivery.allow_batch=true", "--deadline", "10m")
    job.run("--delivery", "auto", *auto)
    assert set(job.table().column("_delivery").to_pylist()) == {"batch"}
    assert_paid_once(job, server)
