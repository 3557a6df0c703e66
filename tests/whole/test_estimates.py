"""Whole estimates: of a job as it is, after a pilot, saved as a plan, and held against the run."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from whole_runs import SHARED, Job, Server

PACKAGES = SHARED / "debian_packages.parquet"


def rows(count: int) -> list[dict[str, str]]:
    """Rows that ask different things, some long."""
    return [
        {"id": f"r{n}", "text": f"thing number {n} " + "and some more words " * (n * 7 % 40)}
        for n in range(count)
    ]


def estimated(job: Job, *arguments: str) -> dict[str, Any]:
    """What ``batcher estimate --json`` says."""
    return json.loads(job.command("estimate", "--json", *arguments))


def usd(of: dict[str, Any], delivery: str = "live", *, is_cached: bool = False) -> dict[str, float]:
    """The dollars of one way of sending, as numbers."""
    (found,) = [
        one["usd"]
        for one in of["choices"]
        if (one["delivery"], one["is_cached"]) == (delivery, is_cached)
    ]
    return {name: float(value) for name, value in found.items()}


@pytest.fixture
def server() -> Any:
    """A simulator for one test."""
    ours = Server("--latency", "0.02")
    yield ours
    ours.close()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a key, so that prompts are counted."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")


def test_an_estimate_costs_nothing_and_narrows_with_what_is_known(
    server: Server, tmp_path: Path
) -> None:
    """Text, counts, a pilot: each interval holds what the run then costs, the last is narrow."""
    job = Job(tmp_path, server).write(rows(400))
    offline = estimated(job, "--offline")
    counted = estimated(job)
    assert (offline["basis"], counted["basis"]) == ("text", "counts")
    assert server.ledger()["cost_usd"] == "0"
    assert not (tmp_path / "runs").exists()
    piloted = estimated(job, "--pilot", "60", "--yes")
    assert (piloted["basis"], piloted["answers"]) == ("answers", 60)
    spent = Decimal(piloted["spent_usd"])
    assert Decimal(server.ledger()["cost_usd"]) == spent > 0
    job.run()
    rest = float(Decimal(server.ledger()["cost_usd"]) - spent)
    assert usd(piloted)["low"] <= rest <= usd(piloted)["high"]
    for of in (offline, counted):
        assert usd(of)["low"] <= rest + float(spent) <= usd(of)["high"] <= usd(of)["worst"]
    assert usd(piloted)["high"] - usd(piloted)["low"] < 0.3 * rest
    batch = usd(piloted, "batch")
    assert batch["expected"] == pytest.approx(usd(piloted)["expected"] / 2, rel=0.01)
    assert server.ledger()["answered"] == 400


def test_a_pilot_counts_and_is_never_paid_twice(server: Server, tmp_path: Path) -> None:
    """A larger pilot sends only what is new, the run only the rest; there is no output before."""
    job = Job(tmp_path, server).write(rows(120))
    estimated(job, "--pilot", "20", "--yes")
    assert server.ledger()["answered"] == 20
    assert not job.output.exists()
    estimated(job, "--pilot", "30", "--yes")
    assert server.ledger()["answered"] == 50
    job.run()
    assert server.ledger()["answered"] == 120
    assert set(job.table().column("_status").to_pylist()) == {"succeeded"}


def test_a_plan_is_held_to_and_says_what_changed(server: Server, tmp_path: Path) -> None:
    """Approval and cap in one file: a run that fits needs no yes, another is exit 9."""
    job = Job(tmp_path, server).write(rows(50))
    plan = tmp_path / "plan.json"
    job.command("estimate", "--out", str(plan), "--max-cost", "0.5")
    assert json.loads(plan.read_text())["cap_usd"] == "0.5"
    assert "thing" not in plan.read_text()
    job.write(rows(55))
    said = job.run("--plan", str(plan), code=9)
    assert "rows: 50 in the plan, 55 now" in said
    job.write(rows(50), request='prompt = "Sort: {{ text }}"\n')
    assert "prompt: changed" in job.run("--plan", str(plan), code=9)
    assert server.ledger()["answered"] == 0
    job.write(rows(50))
    job.run("--plan", str(plan))
    assert server.ledger()["answered"] == 50
    job.run("--plan", str(plan))
    plan.write_text("{}")
    assert "not a plan file of batcher" in job.run("--plan", str(plan), code=2)


def test_the_prompt_cache_is_part_of_the_estimate(server: Server, tmp_path: Path) -> None:
    """What rows share is expected to be read, and costs about as much as it then does."""
    system = "You are thorough and know these rules by heart. " * 80
    job = Job(tmp_path, server).write(
        rows(150), request=f'prompt = "Classify: {{{{ text }}}}"\nsystem = "{system}"\n'
    )
    found = estimated(job, "--pilot", "40", "--yes")
    spent = Decimal(found["spent_usd"])
    assert usd(found, is_cached=True)["expected"] < 0.7 * usd(found)["expected"]
    assert "saves" in found["choice"]
    job.run()
    rest = float(Decimal(server.ledger()["cost_usd"]) - spent)
    cached = usd(found, is_cached=True)
    assert cached["low"] * 0.97 <= rest <= cached["high"] * 1.03


def test_a_budget_that_is_too_small_is_said(server: Server, tmp_path: Path) -> None:
    """With how many rows it buys."""
    job = Job(tmp_path, server).write(rows(200))
    found = estimated(job, "--pilot", "20", "--yes", "--max-cost", "0.01")
    assert 0 < found["affordable_rows"] < 180
    assert any("pays for about" in warning for warning in found["warnings"])


def test_the_record_holds_the_estimate_against_what_came(server: Server, tmp_path: Path) -> None:
    """In run.json, and in a line at the end of the run."""
    job = Job(tmp_path, server).write(rows(60))
    said = job.run()
    assert "estimate $" in said
    assert "actual $" in said
    (record,) = (tmp_path / "runs/job").glob("*/run.json")
    money = json.loads(record.read_text())["usd"]
    low, high = (Decimal(money["estimate"][end]) for end in ("low", "high"))
    assert low <= Decimal(money["spent"]) <= high


def test_limits_that_a_run_has_met_are_known_to_the_next_estimate(tmp_path: Path) -> None:
    """So that the time is no longer a lower bound."""
    server = Server("--latency", "0.02", "--requests-per-minute", "6000")
    job = Job(tmp_path, server).write(rows(300))
    assert not estimated(job, "--offline")["seconds"]["knows_limits"]
    found = estimated(job, "--pilot", "20", "--yes")
    assert found["seconds"]["knows_limits"]
    assert found["seconds"]["is_measured"]
    server.close()


@pytest.mark.skipif(not PACKAGES.exists(), reason="the full table of Debian packages is not here")
def test_the_main_job_is_estimated_offline(tmp_path: Path) -> None:
    """All 63,666 rows, sending nothing; how long that takes is for benchmarks."""
    source = Path(__file__).parents[2] / "jobs/debian_sections"
    job = Job(tmp_path, None)
    job.path = source / "job.toml"
    found = estimated(
        job, "--offline", "--set", f"input.path={PACKAGES.resolve()}",
        "--set", f"job.state={tmp_path / 'state'}",
    )  # fmt: skip
    assert found["plan"]["to_send"] == 63_666
    assert usd(found)["low"] < usd(found)["expected"] < usd(found)["high"]
