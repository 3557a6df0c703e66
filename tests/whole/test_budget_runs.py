"""Whole runs on a budget: not a cent above it, hardly any of it unused, and it is told."""

import json
import os
import shlex
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from test_watching import events_of, status_of
from whole_runs import Job, Server, kill, wait_for

KEYED = {**os.environ, "ANTHROPIC_API_KEY": "test-key"}


def rows(count: int) -> list[dict[str, str]]:
    """Rows that ask different things, of different lengths."""
    return [{"id": f"r{n}", "text": f"thing {n} " + "and more " * (n % 30)} for n in range(count)]


def usd_of(job: Job) -> dict[str, Any]:
    """The money of the last run's status."""
    return status_of(job)["usd"]


def used(job: Job) -> Decimal:
    """What the checkpoint counts against a budget: spent and unknown, of all runs."""
    (record, *_) = sorted((job.folder / "runs/job").glob("*/run.json"), reverse=True)
    usd = json.loads(record.read_text())["checkpoint"]["usd"]
    return Decimal(usd["spent"]) + Decimal(usd["unknown"])


@pytest.mark.slow
def test_a_budget_is_kept_through_kills_faults_and_resumes(tmp_path: Path) -> None:
    """The API's own ledger never passes it, 97 % of it is used, and more money finishes the job."""
    faults = ["--fault", "overloaded:rate=0.05", "--fault", "reset_billed:rate=0.01"]
    server = Server("--latency", "0.02", *faults)
    job = Job(tmp_path, server).write(rows(1_500))
    cap = Decimal("0.06")
    for answered in (60, 160, 260):
        process = job.start("--max-cost", str(cap))
        wait_for(server, answered)
        kill(process)
        assert Decimal(server.ledger()["cost_usd"]) <= cap
    said = job.run("--max-cost", str(cap), code=6)
    assert "the budget is reached" in said
    billed = Decimal(server.ledger()["cost_usd"])
    assert billed <= cap
    assert used(job) <= cap
    assert used(job) >= cap * Decimal("0.97")
    said = job.run("--max-cost", str(cap), code=6)
    assert billed <= Decimal(server.ledger()["cost_usd"]) <= cap
    type_next(said)
    assert set(job.table().column("_status").to_pylist()) == {"succeeded"}
    server.close()


def type_next(said: str) -> None:
    """Do what a stopped run says is next; it has to finish the job."""
    command = shlex.split(said.rsplit("next   ", 1)[1].splitlines()[0])
    assert command[0] == "batcher"
    subprocess.run([sys.executable, "-m", *command, "--yes"], check=True, env=KEYED)


def test_an_interrupted_run_keeps_its_budget(tmp_path: Path) -> None:
    """Twice drained and once given up in the middle: what was in flight is counted."""
    server = Server("--latency", "0.02", "--fault", "overloaded:rate=0.05")
    job = Job(tmp_path, server).write(rows(600))
    cap = Decimal("0.02")
    for answered, times in ((30, 1), (60, 2), (90, 1)):
        process = job.start("--max-cost", str(cap))
        wait_for(server, answered)
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            assert "in flight" in next(line for line in process.stderr if "in flight" in line)
        process.communicate(timeout=60)
        assert process.returncode == 130
        assert Decimal(server.ledger()["cost_usd"]) <= cap
    job.run("--max-cost", str(cap), code=6)
    assert Decimal(server.ledger()["cost_usd"]) <= cap
    assert cap * Decimal("0.97") <= used(job) <= cap
    server.close()


def test_exactly_enough_is_enough(tmp_path: Path) -> None:
    """A budget of the worst case of all rows finishes the job; a lowered one sends nothing more."""
    server = Server()
    job = Job(tmp_path, server).write(rows(8), more="[retry]\nunknown_attempts = 1\n")
    worst = json.loads(job.command("estimate", "--offline", "--json"))["plan"]["worst_case_usd"]
    job.run("--max-cost", worst)
    job.write([*rows(8), {"id": "new", "text": "one more"}])
    billed = server.ledger()["cost_usd"]
    said = job.run("--max-cost", billed, code=6)
    assert "1 row is left, expected to cost" in said
    assert "by the estimate" in said
    assert server.ledger()["requests"] == 8
    type_next(said)
    assert server.ledger()["requests"] == 9
    server.close()


def test_the_cap_of_a_plan_is_raised_by_another_plan(tmp_path: Path) -> None:
    """The next command saves it, and then the same command as before finishes the job."""
    server = Server("--latency", "0.01")
    job, plan = Job(tmp_path, server).write(rows(100)), str(tmp_path / "plan.json")
    job.command("estimate", "--offline", "--max-cost", "0.004", "--out", plan)
    said = job.run("--plan", plan, code=6)
    assert "save a plan with a larger cap" in said
    type_next(said.replace("batcher estimate", "batcher estimate --offline"))
    job.run("--plan", plan)
    assert server.ledger()["answered"] == 100
    server.close()


def test_what_happens_near_the_budget_is_told(tmp_path: Path) -> None:
    """Half and four fifths are events; the status knows the cap, the record what was estimated."""
    server = Server("--latency", "0.01")
    job = Job(tmp_path, server).write(rows(400), more="[budget]\nmax_cost_usd = 0.01\n")
    said = job.run(code=6)
    assert "budget 80 % used" in said
    steps = [event["percent"] for event in events_of(job) if event["event"] == "budget"]
    assert steps[-1] == 80
    usd = usd_of(job)
    assert usd["cap"] == "0.01"
    assert set(usd["estimate"]) == {"expected", "low", "high", "worst"}
    server.close()


def test_a_budget_below_one_request_sends_nothing(tmp_path: Path) -> None:
    """It is said what is left, and nothing is billed."""
    server = Server()
    job = Job(tmp_path, server).write(rows(5))
    assert "5 rows are left" in job.run("--max-cost", "0.00001", code=6)
    assert server.ledger()["requests"] == 0
    server.close()


@pytest.mark.parametrize("amount", ["0", "much", "1,50"])
def test_no_amount_is_said(amount: str, tmp_path: Path) -> None:
    """What is no amount of dollars is a mistake, and nothing is sent."""
    job = Job(tmp_path, None).write(rows(2))
    assert "is no amount" in job.run("--max-cost", amount, code=2)


def test_a_budget_a_day_forgets_what_was_spent_before(tmp_path: Path) -> None:
    """Yesterday's attempts do not count, today's do."""
    server = Server("--latency", "0.01")
    more = '[budget]\nmax_cost_usd = 0.004\nper = "day"\n'
    job = Job(tmp_path, server).write(rows(300), more=more)
    job.run(code=6)
    first = server.ledger()["answered"]
    job.run(code=6)
    assert server.ledger()["answered"] - first < first / 20
    age(tmp_path / "runs/job")
    before = server.ledger()["answered"]
    job.run(code=6)
    assert server.ledger()["answered"] - before > first / 2
    server.close()


def age(state: Path) -> None:
    """Let all that was sent have been sent two days ago."""
    import duckdb  # noqa: PLC0415 - only this test looks inside

    with duckdb.connect(str(state / "checkpoint.duckdb")) as connection:
        connection.execute("UPDATE attempts SET sent_at = sent_at - INTERVAL 2 DAY")


def test_what_is_held_can_be_released(tmp_path: Path) -> None:
    """Attempts of unknown billing status reserve their worst case until a person releases them."""
    server = Server("--latency", "0.01", "--fault", "reset_billed:every_n=6,first_n=24")
    job = Job(tmp_path, server).write(rows(120), more="[retry]\nattempts = 1\n")
    said = job.run("--max-cost", "0.0035", code=6)
    assert "billing status is unknown" in said
    held, first = Decimal(usd_of(job)["unknown"]), server.ledger()["answered"]
    assert held > 0
    said = job.run("--max-cost", "0.0035", "--release-unknown", code=6)
    assert "released $" in said
    assert "billing status is unknown" not in said
    assert server.ledger()["answered"] - first > first / 5
    (record, *_) = sorted((tmp_path / "runs/job").glob("*/run.json"), reverse=True)
    assert json.loads(record.read_text())["checkpoint"]["usd"]["unknown"] == "0"
    job.run("--max-cost", "0.2")
    server.close()
