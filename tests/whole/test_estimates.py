"""Estimates of a job: from its text, after a pilot, as a saved plan, and compared with the run."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from whole_runs import SHARED, Job, Server

PACKAGES = SHARED / "debian_packages.parquet"


def rows(count: int) -> list[dict[str, str]]:
    """Return rows with different prompts, some of them long."""
    return [
        {"id": f"r{n}", "text": f"thing number {n} " + "and some more words " * (n * 7 % 40)}
        for n in range(count)
    ]


def estimated(job: Job, *arguments: str) -> dict[str, Any]:
    """Return the JSON of ``batcher estimate --json``."""
    return json.loads(job.command("estimate", "--json", *arguments))


def usd(of: dict[str, Any], delivery: str = "live", *, is_cached: bool = False) -> dict[str, float]:
    """Return the dollars of one choice of delivery and caching, as numbers."""
    (result,) = [
        choice["usd"]
        for choice in of["choices"]
        if (choice["delivery"], choice["is_cached"]) == (delivery, is_cached)
    ]
    return {name: float(value) for name, value in result.items()}


@pytest.fixture
def server() -> Any:
    """A simulator for one test."""
    running = Server("--latency", "0.02")
    yield running
    running.close()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a key, so that the API counts prompts."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")


@pytest.mark.slow
def test_an_estimate_costs_nothing_and_narrows_with_more_data(
    server: Server, tmp_path: Path
) -> None:
    """By text, by counts, by a pilot: each interval contains the run's cost; the last is narrow."""
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
    run_usd = float(Decimal(server.ledger()["cost_usd"]) - spent)
    assert usd(piloted)["low"] <= run_usd <= usd(piloted)["high"]
    for of in (offline, counted):
        assert usd(of)["low"] <= run_usd + float(spent) <= usd(of)["high"] <= usd(of)["worst"]
    assert usd(piloted)["high"] - usd(piloted)["low"] < 0.3 * run_usd
    batch = usd(piloted, "batch")
    assert batch["expected"] == pytest.approx(usd(piloted)["expected"] / 2, rel=0.01)
    assert server.ledger()["answered"] == 400


def test_a_pilot_counts_and_is_never_paid_twice(server: Server, tmp_path: Path) -> None:
    """A larger pilot sends only new rows, and the run only the rest; a pilot writes no output."""
    job = Job(tmp_path, server).write(rows(120))
    estimated(job, "--pilot", "20", "--yes")
    assert server.ledger()["answered"] == 20
    assert not job.output.exists()
    estimated(job, "--pilot", "30", "--yes")
    assert server.ledger()["answered"] == 50
    job.run()
    assert server.ledger()["answered"] == 120
    assert set(job.table().column("_status").to_pylist()) == {"succeeded"}


def test_a_plan_says_what_changed(server: Server, tmp_path: Path) -> None:
    """A plan approves and caps a run: a run that fits needs no --yes, another is exit 9."""
    job = Job(tmp_path, server).write(rows(50))
    plan = tmp_path / "plan.json"
    job.command("estimate", "--out", str(plan), "--max-cost", "0.5")
    assert json.loads(plan.read_text())["cap_usd"] == "0.5"
    assert "thing" not in plan.read_text()
    job.write(rows(55))
    printed = job.run("--plan", str(plan), code=9)
    assert "rows: 50 in the plan, 55 now" in printed
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
    """The estimate expects cache reads of shared prefixes, and the run costs about the same."""
    system = "You are thorough and know these rules by heart. " * 80
    job = Job(tmp_path, server).write(
        rows(150), request=f'prompt = "Classify: {{{{ text }}}}"\nsystem = "{system}"\n'
    )
    result = estimated(job, "--pilot", "40", "--yes")
    spent = Decimal(result["spent_usd"])
    assert usd(result, is_cached=True)["expected"] < 0.7 * usd(result)["expected"]
    assert "saves" in result["choice"]
    job.run()
    run_usd = float(Decimal(server.ledger()["cost_usd"]) - spent)
    cached = usd(result, is_cached=True)
    assert cached["low"] * 0.97 <= run_usd <= cached["high"] * 1.03


def test_a_budget_that_is_too_small_is_a_warning(server: Server, tmp_path: Path) -> None:
    """The warning says for how many rows the budget pays."""
    job = Job(tmp_path, server).write(rows(200))
    result = estimated(job, "--pilot", "20", "--yes", "--max-cost", "0.01")
    assert 0 < result["affordable_rows"] < 180
    assert any("pays for about" in warning for warning in result["warnings"])


def test_the_record_compares_estimate_and_cost(server: Server, tmp_path: Path) -> None:
    """The comparison is in run.json and in a line at the end of the run."""
    job = Job(tmp_path, server).write(rows(60))
    printed = job.run()
    assert "estimate $" in printed
    assert "actual $" in printed
    (record,) = (tmp_path / "runs/job").glob("*/run.json")
    money = json.loads(record.read_text())["usd"]
    low, high = (Decimal(money["estimate"][end]) for end in ("low", "high"))
    assert low <= Decimal(money["spent"]) <= high


def test_the_next_estimate_knows_limits_of_a_run(tmp_path: Path) -> None:
    """Known limits make the estimated time more than a lower bound."""
    server = Server("--latency", "0.02", "--requests-per-minute", "6000")
    job = Job(tmp_path, server).write(rows(300))
    assert not estimated(job, "--offline")["seconds"]["knows_limits"]
    result = estimated(job, "--pilot", "20", "--yes")
    assert result["seconds"]["knows_limits"]
    assert result["seconds"]["is_measured"]
    server.close()


@pytest.mark.slow
@pytest.mark.skipif(not PACKAGES.exists(), reason="the full table of Debian packages is not here")
def test_the_main_job_is_estimated_offline(tmp_path: Path) -> None:
    """It estimates all 63,666 rows without sending; benchmarks measure the time."""
    source = Path(__file__).parents[2] / "jobs/debian_sections"
    job = Job(tmp_path, None)
    job.path = source / "job.toml"
    result = estimated(
        job, "--offline", "--set", f"input.path={PACKAGES.resolve()}",
        "--set", f"job.state={tmp_path / 'state'}",
    )  # fmt: skip
    assert result["plan"]["to_send"] == 63_666
    assert usd(result)["low"] < usd(result)["expected"] < usd(result)["high"]
