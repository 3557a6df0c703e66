"""Batches that a run did not see being created, ending or expiring, over real HTTP."""

import json
import shutil
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from whole_runs import Job, Server, batcher

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
    headers = {
        "x-api-key": "test-key",
        "anthropic-version": "2023-06-01",
        "content-type": "application/json",
    }
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


LOST_CREATE = [["--fault", "reset_billed:on=create,match=row 0,times=1"]]
"""The first batch is created, and its answer never arrives."""


def foreign(server: Server) -> str:
    """Create a batch of the same size as another client of the workspace; return its id."""
    params = {
        "model": "claude-haiku-5-5",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "hi"}],
    }
    items = [{"custom_id": f"theirs-{number}", "params": params} for number in range(5)]
    return str(post(server, "/v1/messages/batches", {"requests": items})["id"])


@pytest.mark.parametrize("server", LOST_CREATE, indirect=True)
def test_batches_of_others_are_not_adopted(job: Job, server: Server) -> None:
    """Ended or in progress, before or after: only the batch with our marker is ours."""
    theirs = {foreign(server)}
    advance(server, 3_600)
    text = job.write(ROWS, more=BATCH).run("--no-wait", code=7)
    assert "may be" in text
    theirs |= {foreign(server), foreign(server)}
    job.run("--no-wait", code=7)
    advance(server, 3_600)
    theirs.add(foreign(server))
    job.run()
    ours = [batch for batch in made(server) if batch["id"] not in theirs]
    assert sum(batch["requests"] for batch in ours) == len(ROWS)
    billed = sum(Decimal(batch["cost_usd"]) for batch in ours)
    assert Decimal(job.metadata()["totals"]["cost_usd"]) == billed
    assert job.table().column("_status").to_pylist() == ["succeeded"] * len(ROWS)


@pytest.mark.parametrize("server", [[], *LOST_CREATE], indirect=True)
def test_a_key_of_another_workspace_changes_nothing(job: Job, server: Server) -> None:
    """It cannot see the batches, which proves nothing; the run says so, and the batches stay."""
    job.write(ROWS[:5], more=BATCH).run("--no-wait", code=7)
    advance(server, 3_600)
    result = batcher("run", job.path, "--yes", key="other-key")
    assert result.code == 4
    assert "another key submitted it" in result.err
    assert len(made(server)) == 1
    assert batcher("run", job.path, "--yes", key="test-key").code == 0
    assert server.ledger()["answered"] == 5
    assert [batch["requests"] for batch in made(server)] == [5]


@pytest.mark.parametrize("server", [[], *LOST_CREATE], indirect=True)
def test_a_new_key_of_the_same_workspace_collects(job: Job, server: Server) -> None:
    """A batch belongs to a workspace, not to a key."""
    job.write(ROWS, more=BATCH).run("--no-wait", code=7)
    advance(server, 3_600)
    assert batcher("run", job.path, "--yes", key="second-key").code == 0
    assert_paid_once(job, server)


@pytest.mark.parametrize("server", [[], *LOST_CREATE], indirect=True)
def test_results_are_collected_28_days_later(job: Job, server: Server) -> None:
    """The API keeps them for 29 days."""
    job.write(ROWS, more=BATCH).run("--no-wait", code=7)
    advance(server, 28 * DAY_S)
    job.run()
    assert_paid_once(job, server)


@pytest.mark.parametrize("server", [[], *LOST_CREATE], indirect=True)
def test_what_was_not_collected_in_30_days_is_of_unknown_billing_status(
    job: Job, server: Server
) -> None:
    """The run says so, keeps their money reserved, and sends them again within the job's limit."""
    job.write(ROWS[:5], more=BATCH).run("--no-wait", code=7)
    advance(server, 30 * DAY_S)
    text = job.run("--delivery", "live")
    assert "is lost with 5 requests, of unknown billing status" in text
    assert job.table().column("_status").to_pylist() == ["succeeded"] * 5
    assert server.ledger()["answered"] == 10
    totals = job.metadata()["totals"]
    assert Decimal(totals["cost_usd"]) * 3 == Decimal(server.ledger()["cost_usd"]) * 2


def test_a_copy_of_a_job_collects_the_same_batches(
    job: Job, server: Server, tmp_path: Path
) -> None:
    """Reading results costs nothing, so two copies of a job are billed for one."""
    folder = tmp_path / "job"
    folder.mkdir()
    first = Job(folder, server)
    first.write(ROWS, more=BATCH).run("--no-wait", code=7)
    second = Job(tmp_path / "copy", server)
    shutil.copytree(folder, second.folder)
    advance(server, 3_600)
    for copy in (second, first):
        copy.run()
        assert_paid_once(copy, server)
