"""Runs that leave their batches to the next run: what is said, and what the next run does."""

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
from whole_runs import Job, Server, batcher

BATCH = '[delivery]\nmode = "batch"\nbatch_rows = 10\npoll_s = 0.05\nlisted_after_s = 0.1\n'
ROWS = [{"text": f"row {number}"} for number in range(20)]
QUICK = ("--batch-speed", "6000", "--batch-spread", "0", "--batch-median-s", "1")
MOST_RUNS = 20


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A simulator whose batches take a moment."""
    server = Server("--latency", "0", *QUICK, *getattr(request, "param", ()))
    yield server
    server.close()


def runs_until_done(job: Job, *arguments: str) -> list[str]:
    """Run the same command until nothing is left; return what each run said."""
    texts = []
    for _ in range(MOST_RUNS):
        result = batcher("run", job.path, "--yes", *arguments, key="test-key")
        texts.append(result.err)
        if result.code == 0:
            return texts
        assert result.code == 7, result.err
    raise AssertionError(texts[-1])


def test_the_same_command_collects_what_has_ended(job: Job, server: Server) -> None:
    """A run every hour with --no-wait comes to an end, and pays for each answer once."""
    texts = runs_until_done(job.write(ROWS, more=BATCH), "--no-wait")
    assert "Warning" not in "".join(texts)
    assert set(job.table().column("_status").to_pylist()) == {"succeeded"}
    assert server.ledger()["answered"] == len(ROWS)


def test_what_the_budget_has_no_room_for_is_said_and_sent_later(job: Job, server: Server) -> None:
    """The budget holds what waits in batches; each run sends what fits, and none passes it."""
    job.write(ROWS, more=f"{BATCH}[budget]\nmax_cost_usd = 0.001\n")
    texts = runs_until_done(job, "--no-wait")
    assert "wait until there is room for more" in texts[0]
    billed = Decimal(server.ledger()["cost_usd"])
    assert Decimal(job.metadata()["totals"]["cost_usd"]) == billed <= Decimal("0.001")


@pytest.mark.parametrize("server", [["--batch-queue-limit", "15"]], indirect=True)
@pytest.mark.parametrize("more", ["", '[delivery]\nmode = "auto"\ndeadline = "20h"\n'])
def test_a_full_queue_of_the_api_holds_up_nothing(job: Job, server: Server, more: str) -> None:
    """What the API has no room for is sent when a batch has ended, whatever else the run does."""
    auto = f"{more}batch_rows = 10\npoll_s = 0.05\nallow_batch = true\n" if more else BATCH
    job.write(ROWS, more=auto)
    arguments = ("--set", "retry.patience_s=0.01")
    if more:
        job.run(*arguments)
    else:
        runs_until_done(job, "--no-wait", *arguments)
    assert set(job.table().column("_delivery").to_pylist()) == {"batch"}
    assert server.ledger()["answered"] == len(ROWS)


def test_auto_is_not_left(job: Job, server: Server) -> None:
    """Nobody would keep its deadline."""
    job.write(ROWS, more='[delivery]\nmode = "auto"\ndeadline = "5h"\nallow_batch = true\n')
    result = batcher("run", job.path, "--yes", "--no-wait", key="test-key")
    assert result.code == 2
    assert "--delivery batch" in result.err
    assert server.ledger()["requests"] == 0


@pytest.mark.parametrize("server", [["--batch-speed", "0"]], indirect=True)
def test_every_command_says_that_rows_wait(job: Job, server: Server) -> None:
    """The rows have no answer yet, and nothing is to send."""
    job.write(ROWS, more=BATCH).run("--no-wait", code=7)
    estimate = job.command("estimate")
    assert "0 to send, 20 waiting in batches" in estimate
    assert "the rows without an answer wait in a batch" in estimate
    assert "20 waiting in batches" in batcher("check", job.path, key="test-key").out
    assert "20 rows wait in a batch" in job.command("failures")
    assert "20 pending" in job.command("status")
    assert "waits in a batch" in job.command("show", "3")
    partial = job.folder / "partial.jsonl"
    job.command("export", "--partial", "--format", "jsonl", "--out", str(partial))
    lines = [json.loads(line) for line in partial.read_text().splitlines()]
    assert {line["_error_type"] for line in lines} == {"client.in_batch"}
    assert "2 batches, 2 of them not collected yet" in job.command("batches")
    job.run("--delivery", "live", "--max-time", "1s", code=7)
    assert server.ledger()["answered"] == 0
