"""batcher runs: the history of a job has the figures of its run records, and a trend."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from whole_runs import Job, Server, batcher

from batcher.cli.cells import width_of

LABELS = '[labels]\nfields = "label: a|b|c"\n'


def texts(first: int, last: int) -> list[dict[str, Any]]:
    """Return the rows of the nights so far."""
    return [{"text": f"thing {n}"} for n in range(first, last)]


@pytest.fixture
def nights(tmp_path: Path) -> Job:
    """A job after a rehearsal and three nights: 20, 30 and 4 new rows, of which one is bad."""
    server = Server()
    job = Job(tmp_path, server).write(texts(0, 20), more=LABELS)
    job.run("--limit", "3")
    job.run()
    job.write(texts(0, 50), more=LABELS).run()
    job.write([*texts(0, 53), {"other": 1}], more=LABELS).run(code=3)
    ledger = server.ledger()
    server.close()
    assert Decimal(ledger["cost_usd"]) == sum(Decimal(run["spent"]) for run in lines(job))
    return job


def lines(job: Job) -> list[dict[str, Any]]:
    """Return the runs as a program reads them."""
    (history,) = json.loads(job.command("runs", "--json"))
    runs: list[dict[str, Any]] = history["runs"]
    return runs


def test_each_run_has_the_figures_of_its_record(nights: Job) -> None:
    """They are in order, and their sum is the bill of the server (see the fixture)."""
    runs = lines(nights)
    assert [(run["new"], run["answered"], run["failed"], run["exit_code"]) for run in runs] == [
        (3, 3, 0, 0), (17, 17, 0, 0), (30, 30, 0, 0), (3, 3, 0, 3),
    ]  # fmt: skip
    records = sorted((nights.folder / "runs/job").glob("*/run.json"))
    assert [run["run_id"] for run in runs] == [path.parent.name for path in records]
    for run, path in zip(runs, records, strict=True):
        record = json.loads(path.read_text())
        assert run["spent"] == record["usd"]["spent"]
        counts = record["quality"]["new_class_counts"].get("label", {})
        shares = {name: round(n / sum(counts.values()), 4) for name, n in counts.items()}
        assert run["labels"].get("label", {}) == shares
    assert len(json.loads(nights.command("runs", "--last", "2", "--json"))[0]["runs"]) == 2


def test_the_trend_leaves_rehearsals_out(nights: Job) -> None:
    """The last night is compared with the two nights before it."""
    (history,) = json.loads(nights.command("runs", "--json"))
    first, second, last = (run for run in history["runs"] if not run["scope"])
    trend = history["trend"]
    assert (trend["runs"], trend["new"], trend["median_new"]) == (2, 3, 23.5)
    assert trend["usd_per_row"] == last["usd_per_row"]
    middle = (Decimal(first["usd_per_row"]) + Decimal(second["usd_per_row"])) / 2
    assert abs(Decimal(trend["median_usd_per_row"]) - middle) < Decimal("1e-9")


@pytest.mark.parametrize("width", [120, 80, 60])
def test_the_table_fits(nights: Job, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """Columns without room are left out and named; dollars and exit codes are there."""
    monkeypatch.setenv("COLUMNS", str(width))
    result = batcher("runs", nights.path)
    _, *table, trend = result.out.splitlines()
    assert all(width_of(line) <= width for line in table)
    assert table[0].split()[:6] == ["started", "new", "answered", "failed", "spent", "a_row"]
    assert len(table) == 5
    assert trend.startswith("trend  $")
    assert batcher("runs", folder=nights.folder).out.splitlines()[1:3] == table[:2]


def test_a_run_without_a_record_is_shown(nights: Job) -> None:
    """A run that was killed has only a status, which may be of an old version."""
    path = nights.folder / "runs/job/status.json"
    status = json.loads(path.read_text())
    killed = {**status, "run_id": "29991231T000000.000000Z-abcdef", "state": "running"}
    killed |= {"exit_code": None, "ended": None, "phase": "planning", "rows": None, "pid": 1 << 22}
    del killed["attempts"], killed["job_file"], killed["usd"]["per"]
    path.write_text(json.dumps(killed))
    last = lines(nights)[-1]
    assert (last["state"], last["exit_code"], last["answered"]) == ("died", None, None)
    for file in (nights.folder / "runs/job").glob("*/run.json"):
        record = json.loads(file.read_text())
        del record["rows"]["failed"], record["job_file"]
        file.write_text(json.dumps(record))
    assert [run["failed"] for run in lines(nights)] == [None] * 5
    assert "died" in nights.command("runs").splitlines()[-1 if last is None else -2]
