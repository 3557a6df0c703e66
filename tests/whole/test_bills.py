"""Bills: their lines sum to what was spent, waste is separate, and prices are explained."""

import json
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from test_main_job import rows
from test_retrying import retry
from whole_runs import Job, Server

from batcher.core.money.statement import NOT_ITEMISED, UNEXPLAINED
from batcher.store.watermark import Watermark

SYSTEM = "You label things, one at a time. " * 250  # some 3,000 tokens
IDS = 'path = "rows.jsonl"\nid = "id"\n'
KINDS = {
    "input": "input_tokens",
    "cache write 5m": "cache_creation_5m_input_tokens",
    "cache write 1h": "cache_creation_1h_input_tokens",
    "cache read": "cache_read_input_tokens",
    "output": "output_tokens",
}


def records(job: Job) -> list[dict[str, Any]]:
    """Return the run.json records of a job, oldest first."""
    paths = sorted((job.folder / "runs" / "job").glob("*/run.json"))
    return [json.loads(path.read_text()) for path in paths]


def usd(amounts: Any) -> Decimal:
    """Return the sum of amounts in dollars, given as text."""
    return sum(map(Decimal, amounts), Decimal(0))


def agrees(record: dict[str, Any]) -> None:
    """Check that a bill's lines sum to the totals of the run and of the checkpoint."""
    for part in (record, record["checkpoint"]):
        assert usd(line["usd"] for line in part["bill"]) == Decimal(part["usd"]["spent"])
        counted: Counter[str] = Counter()
        for line in part["bill"]:
            counted[KINDS[line["kind"]]] += line["quantity"]
        assert counted == Counter({kind: part["tokens"][kind] for kind in KINDS.values()})
        assert part["waste"]["unknown_usd"] == part["usd"]["unknown"]


def test_the_bill_of_a_run_is_what_the_server_billed(tmp_path: Path) -> None:
    """Each kind of token is billed, with cache reads and writes, in a more expensive region."""
    server = Server("--latency", "0.05")
    more = f'system = "{SYSTEM}"\ninference_geo = "us"\n'
    request = f'prompt = "Classify: {{{{ text }}}}"\n{more}'
    job = Job(tmp_path, server).write(rows(40), request=request)
    printed = job.run()
    (record,) = records(job)
    agrees(record)
    assert {line["rates"] for line in record["bill"]} == {"standard us"}
    assert {line["delivery"] for line in record["bill"]} == {"live"}
    assert {"input", "cache read", "output"} <= {line["kind"] for line in record["bill"]}
    assert usd(line["usd"] for line in record["bill"]) == Decimal(server.ledger()["cost_usd"])
    waste = record["waste"]
    assert (waste["failed_usd"], waste["repeated_usd"]) == ("0", "0")
    assert "waste" not in printed
    assert "\nestimate $" in printed
    estimate = record["usd"]["estimate"]
    assert set(estimate) == {"expected", "low", "high", "worst"}
    assert all(isinstance(end, str) for end in estimate.values())
    assert Decimal(record["usd"]["spent"]) <= Decimal(estimate["worst"])
    server.close()


def test_failed_attempts_are_waste_until_the_row_succeeds(tmp_path: Path) -> None:
    """Truncated answers are waste; after a retry they are repeated attempts."""
    server = Server("--keep-requests")
    job = Job(tmp_path, server).write(rows(30), input=IDS)
    job.path.write_text(job.path.read_text().replace("max_tokens = 400", "max_tokens = 75"))
    printed = job.run(code=3)
    table = job.table()
    lost = [row["cost_usd"] for row in server.entries() if row["usage"]["output_tokens"] == 75]
    failed = table.column("_status").to_pylist().count("truncated")
    assert 3 < failed == len(lost) < 30
    (first,) = records(job)
    agrees(first)
    assert Decimal(first["waste"]["failed_usd"]) == usd(lost)
    assert first["waste"]["attempts"]["failed"] == failed
    assert f"for {failed} attempts of rows without a good answer" in printed
    retry(job, "--set", "request.max_tokens=2000")
    _, second = records(job)
    agrees(second)
    assert second["waste"] == {
        "failed_usd": "0", "repeated_usd": "0", "unknown_usd": "0", "released_usd": "0",
        "attempts": {"failed": 0, "repeated": 0, "unknown": 0, "released": 0},
    }  # fmt: skip
    waste = second["checkpoint"]["waste"]
    assert (waste["failed_usd"], Decimal(waste["repeated_usd"])) == ("0", usd(lost))
    number = table.column("_status").to_pylist().index("truncated")
    (sample,) = json.loads(job.command("show", f"r{number}", "--json"))["samples"]
    assert [attempt["waste"] for attempt in sample["attempts"]] == ["repeated", None]
    assert "wasted: another attempt answered the row" in job.command("show", f"r{number}")
    server.close()


PRICES = '[prices]\nas_of = {day}\noverrides = {{ "claude-haiku-5-5" = {{ input = {usd}, output = 3 }} }}\n'  # noqa: E501


def test_each_run_is_explained_by_its_own_prices(tmp_path: Path) -> None:
    """With two price tables in a job, each row is explained with the table of its run."""
    server = Server()
    job = Job(tmp_path, server)
    job.write(rows(5), input=IDS, more=PRICES.format(day="2026-11-01", usd=2)).run()
    job.write(rows(9), input=IDS, more=PRICES.format(day="2026-11-20", usd="0.7")).run()
    job.write(rows(12), input=IDS).run()
    for record in records(job):
        agrees(record)
    found = [(one["price_overrides_date"], one["price_overrides"]) for one in records(job)]
    own = ["claude-haiku-5-5"]
    assert found == [("2026-11-01", own), ("2026-11-20", own), (None, [])]
    for row, day, rate in ((1, "2026-11-01", "2"), (6, "2026-11-20", "0.7"), (11, None, "0.1")):
        (sample,) = json.loads(job.command("show", f"r{row}", "--json"))["samples"]
        (attempt,) = sample["attempts"]
        cost = attempt["cost"]
        assert cost["lines"][0]["rate_usd"] == rate
        assert usd(line["amount_usd"] for line in cost["lines"]) == Decimal(sample["cost_usd"])
        assert (cost["unexplained_usd"], cost["problem"]) == ("0", None)
        prices = cost["prices"]
        assert prices["is_pinned"]
        assert (prices["is_override"], prices["rates"]) == (day is not None, "standard")
        assert day is None or prices["date"] == day
    assert "the job file's prices of 2026-11-01, standard rates" in job.command("show", "r1")
    with duckdb.connect(str(job.folder / "runs/job/checkpoint.duckdb"), read_only=True) as file:
        assert file.sql("SELECT count(*) FROM price_tables").fetchall() == [(3,)]
        assert file.sql("SELECT count(DISTINCT prices_digest) FROM runs").fetchall() == [(3,)]
    server.close()


def changed(job: Job, sql: str) -> None:
    """Run SQL that changes a checkpoint; only a test does this."""
    with duckdb.connect(str(job.folder / "runs/job/checkpoint.duckdb")) as file:
        file.execute(sql)
    watermark = Watermark(job.folder / "runs/job")
    mark = watermark.read()
    assert mark is not None
    watermark.write_durably(replace(mark, records=0))  # there are fewer records now


def test_attempts_of_an_older_version_are_one_line(tmp_path: Path) -> None:
    """Old attempts without rates or price table are in the bill, with today's prices."""
    server = Server()
    job = Job(tmp_path, server).write(rows(5), input=IDS)
    job.run()
    before = Decimal(records(job)[0]["usd"]["spent"])
    changed(
        job,
        "DROP TABLE price_tables; DROP TABLE releases; ALTER TABLE runs DROP prices_digest; "
        "ALTER TABLE outcomes DROP rates; UPDATE checkpoint SET schema_version = 2",
    )
    job.write(rows(8), input=IDS).run()
    record = records(job)[-1]
    assert usd(line["usd"] for line in record["bill"]) == Decimal(record["usd"]["spent"])
    whole = record["checkpoint"]
    (old,) = [line for line in whole["bill"] if line["kind"] == NOT_ITEMISED]
    assert (Decimal(old["usd"]), old["quantity"], old["rates"]) == (before, None, None)
    assert usd(line["usd"] for line in whole["bill"]) == Decimal(whole["usd"]["spent"])
    assert "current prices, because the run recorded none" in job.command("show", "r1")
    assert "as they are now" not in job.command("show", "r7")
    server.close()


@pytest.mark.parametrize("off", ["0.0000003", "-0.0000003"])
def test_an_unexplained_cost_is_reported(tmp_path: Path, off: str) -> None:
    """A cost that does not follow from its tokens is a separate line with a warning."""
    server = Server()
    job = Job(tmp_path, server).write(rows(5), input=IDS)
    job.run()
    changed(job, f"UPDATE outcomes SET cost_usd = cost_usd + {off} WHERE attempt_id = 2")
    printed = job.write(rows(6), input=IDS).run()
    assert f"warning  ${off} of the bill for claude-haiku-5-5 is not explained" in printed
    whole = records(job)[-1]["checkpoint"]
    (line,) = [line for line in whole["bill"] if line["kind"] == UNEXPLAINED]
    assert line["usd"] == off
    assert usd(line["usd"] for line in whole["bill"]) == Decimal(whole["usd"]["spent"])
    server.close()


def test_released_attempts_are_no_waste(tmp_path: Path) -> None:
    """An attempt of unknown billing status is waste until a person releases it."""
    server = Server("--fault", "reset_billed:match=number 3,times=2")
    job = Job(tmp_path, server).write(rows(8), input=IDS, limits="concurrency = 1\n")
    job.run()
    (record,) = records(job)
    agrees(record)
    unknown = record["waste"]["unknown_usd"]
    assert record["waste"]["attempts"]["unknown"] > 0 < Decimal(unknown)
    job.run("--release-unknown")
    status = json.loads((job.folder / "runs/job/status.json").read_text())
    waste = status["checkpoint"]["waste"]
    assert (waste["unknown_usd"], waste["released_usd"]) == ("0", unknown)
    assert waste["attempts"]["released"] == record["waste"]["attempts"]["unknown"]
    assert "billing status unknown: may have been billed, at most $" in job.command("show", "r3")
    assert "; released from the budget" in job.command("show", "r3")
    server.close()
