"""Runs with a budget never pass it, use nearly all of it, and report it."""

import json
import os
import shlex
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from test_watching import events_of, status_of
from whole_runs import Job, Server, batcher, kill, wait_for

KEYED = {**os.environ, "ANTHROPIC_API_KEY": "test-key"}


def rows(count: int) -> list[dict[str, str]]:
    """Return rows with different prompts of different lengths."""
    return [{"id": f"r{n}", "text": f"thing {n} " + "and more " * (n % 30)} for n in range(count)]


def usd_of(job: Job) -> dict[str, Any]:
    """Return the amounts in dollars from the status of the last run."""
    return status_of(job)["usd"]


def used(job: Job) -> Decimal:
    """Return what counts against the budget: spent and unknown dollars of all runs."""
    (record, *_) = sorted((job.folder / "runs/job").glob("*/run.json"), reverse=True)
    usd = json.loads(record.read_text())["checkpoint"]["usd"]
    return Decimal(usd["spent"]) + Decimal(usd["unknown"])


@pytest.mark.slow
def test_a_budget_is_kept_through_kills_faults_and_resumes(tmp_path: Path) -> None:
    """The API's ledger never passes it; 97 % of it is used; a larger budget finishes the job."""
    faults = ["--fault", "overloaded:rate=0.05", "--fault", "reset_billed:rate=0.01"]
    server = Server("--latency", "0.02", *faults)
    job = Job(tmp_path, server).write(rows(1_500))
    cap = Decimal("0.06")
    for answered in (60, 160, 260):
        process = job.start("--max-cost", str(cap))
        wait_for(server, answered)
        kill(process)
        assert Decimal(server.ledger()["cost_usd"]) <= cap
    printed = job.run("--max-cost", str(cap), code=6)
    assert "the budget is reached" in printed
    billed = Decimal(server.ledger()["cost_usd"])
    assert billed <= cap
    assert used(job) <= cap
    assert used(job) >= cap * Decimal("0.97")
    printed = job.run("--max-cost", str(cap), code=6)
    assert billed <= Decimal(server.ledger()["cost_usd"]) <= cap
    run_next_command(printed)
    assert set(job.table().column("_status").to_pylist()) == {"succeeded"}
    server.close()


def run_next_command(printed: str) -> None:
    """Run the command after ``next`` of a stopped run; it must finish the job."""
    command = shlex.split(printed.rsplit("next   ", 1)[1].splitlines()[0])
    assert command[0] == "batcher"
    subprocess.run([sys.executable, "-m", *command, "--yes"], check=True, env=KEYED)


@pytest.mark.slow
def test_an_interrupted_run_keeps_its_budget(tmp_path: Path) -> None:
    """After two drains and one immediate stop, the requests in flight are counted."""
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
    """A budget of the worst case of all rows finishes the job; a lower one sends nothing more."""
    server = Server()
    job = Job(tmp_path, server).write(rows(8), more="[retry]\nunknown_attempts = 1\n")
    worst = json.loads(job.command("estimate", "--offline", "--json"))["plan"]["worst_case_usd"]
    job.run("--max-cost", worst)
    job.write([*rows(8), {"id": "new", "text": "one more"}])
    billed = server.ledger()["cost_usd"]
    printed = job.run("--max-cost", billed, code=6)
    assert "1 row is left, expected to cost" in printed
    assert "by the estimate" in printed
    assert server.ledger()["requests"] == 8
    run_next_command(printed)
    assert server.ledger()["requests"] == 9
    server.close()


def test_the_cap_of_a_plan_is_raised_by_another_plan(tmp_path: Path) -> None:
    """The next command saves a plan with a larger cap; then the same run finishes the job."""
    server = Server("--latency", "0.01")
    job, plan = Job(tmp_path, server).write(rows(100)), str(tmp_path / "plan.json")
    job.command("estimate", "--offline", "--max-cost", "0.004", "--out", plan)
    printed = job.run("--plan", plan, code=6)
    assert "save a plan with a larger cap" in printed
    run_next_command(printed.replace("batcher estimate", "batcher estimate --offline"))
    job.run("--plan", plan)
    assert server.ledger()["answered"] == 100
    server.close()


def test_events_near_the_budget(tmp_path: Path) -> None:
    """50 % and 80 % are events; the status has the cap, and the record has the estimate."""
    server = Server("--latency", "0.01")
    job = Job(tmp_path, server).write(rows(400), more="[budget]\nmax_cost_usd = 0.01\n")
    printed = job.run(code=6)
    assert "budget 80 % used" in printed
    steps = [event["percent"] for event in events_of(job) if event["event"] == "budget_used"]
    assert steps[-1] == 80
    usd = usd_of(job)
    assert usd["cap"] == "0.01"
    assert set(usd["estimate"]) == {"expected", "low", "high", "worst"}
    server.close()


def test_a_budget_below_one_request_sends_nothing(tmp_path: Path) -> None:
    """The message says how many rows are left, and nothing is billed."""
    server = Server()
    job = Job(tmp_path, server).write(rows(5))
    assert "5 rows are left" in job.run("--max-cost", "0.00001", code=6)
    assert server.ledger()["requests"] == 0
    server.close()


@pytest.mark.parametrize("amount", ["0", "much", "1,50"])
def test_an_invalid_amount_is_an_error(amount: str, tmp_path: Path) -> None:
    """An invalid amount of dollars is an error, and nothing is sent."""
    job = Job(tmp_path, None).write(rows(2))
    assert "is not an amount" in job.run("--max-cost", amount, code=2)


NIGHTS = {
    "at 01:15": ("01:15", "UTC", 1),
    "just before midnight": ("23:50", "Asia/Tokyo", 1),
    "when the clocks go forward": ("01:15", "Europe/Berlin", 28),
    "on the other side of the world": ("05:00", "Pacific/Auckland", 3),
}


@pytest.mark.parametrize(("clock", "zone", "first"), NIGHTS.values(), ids=NIGHTS)
def test_every_night_spends_its_budget(
    clock: str, zone: str, first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that starts at the same time of day has the whole budget each night, and once."""
    server = Server("--latency", "0.01")
    more = f'[budget]\nmax_cost_usd = 0.002\nper = "day"\ntime_zone = "{zone}"\n'
    job, answered = Job(tmp_path, server), []
    for night in range(4):
        job.write(rows(200 * (night + 1)), more=more)
        local = datetime.fromisoformat(f"2026-03-{first:02}T{clock}").replace(tzinfo=ZoneInfo(zone))
        starts_at(monkeypatch, local + timedelta(days=night))
        job.run(code=6)
        answered.append(server.ledger()["answered"])
    starts_at(monkeypatch, local + timedelta(days=3, minutes=5))  # again in the same night
    assert "or wait: a run that starts after 2026-" in job.run(code=6)
    assert server.ledger()["answered"] - answered[-1] < answered[0] / 10
    spent = [after - before for before, after in pairwise([0, *answered])]
    assert min(spent) > 0.8 * max(spent)  # answers differ in length
    server.close()


def starts_at(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    """Let the next run start at this time."""
    clock = type("Clock", (), {"now": staticmethod(lambda _: now.astimezone(UTC))})
    monkeypatch.setattr("batcher.runner.pipeline.run.datetime", clock)


def test_check_and_run_refuse_an_unknown_time_zone(tmp_path: Path) -> None:
    """Nothing is sent, and both suggest the right name."""
    more = '[budget]\nmax_cost_usd = 1\nper = "day"\ntime_zone = "Europe/Berln"\n'
    job = Job(tmp_path, None).write(rows(2), more=more)
    assert "`Europe/Berlin`" in job.run(code=2)
    checked = batcher("check", job.path, key="test-key")
    assert checked.code == 2
    assert "`Europe/Berlin`" in checked.err + checked.out


def test_unknown_attempts_can_be_released(tmp_path: Path) -> None:
    """Attempts of unknown billing status reserve their worst case until a person releases them."""
    server = Server("--latency", "0.01", "--fault", "reset_billed:every_n=6,first_n=24")
    job = Job(tmp_path, server).write(rows(120), more="[retry]\nattempts = 1\n")
    printed = job.run("--max-cost", "0.0035", code=6)
    assert "of unknown cost" in printed
    reserved, first = Decimal(usd_of(job)["unknown"]), server.ledger()["answered"]
    assert reserved > 0
    printed = job.run("--max-cost", "0.0035", "--release-unknown", code=6)
    assert "released $" in printed
    assert "of unknown cost" not in printed
    assert server.ledger()["answered"] - first > first / 5
    (record, *_) = sorted((tmp_path / "runs/job").glob("*/run.json"), reverse=True)
    assert json.loads(record.read_text())["checkpoint"]["usd"]["unknown"] == "0"
    job.run("--max-cost", "0.2")
    server.close()
