"""run.json and status.json have a run's results in the documented format."""

import hashlib
import json
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

import jsonschema
import pytest
from test_main_job import rows
from whole_runs import Job, Server

from batcher.core.run_record.run_schema import run_schema

SHAPE = {
    "schema_version", "run_id", "job", "state", "exit_code", "reason", "next", "started", "ended",
    "is_simulated", "plan", "versions", "prices_date", "price_overrides", "price_overrides_date",
    "overrides", "usd", "rows", "attempts", "tokens", "bill", "waste", "repairs", "checkpoint",
    "latency_s", "ttft_s", "output_tokens_per_s", "models", "errors", "seconds_by_limiter",
    "observed_limits", "quality", "output", "scope", "collected", "is_pilot",
    "job_file",
}  # fmt: skip


def test_a_run_leaves_its_record(job: Job, server: Server) -> None:
    """Totals equal the ledger's; the output's digest is right; errors have an example."""
    job.write([*rows(20), {"id": "bad"}], limits="concurrency = 4\n").run(code=3)
    (path,) = (job.folder / "runs" / "job").glob("*/run.json")
    record, ledger = json.loads(path.read_text()), server.ledger()
    assert set(record) == SHAPE
    jsonschema.Draft202012Validator(run_schema()).validate(record)
    assert (record["state"], record["exit_code"], record["run_id"]) == (
        "ended",
        3,
        path.parent.name,
    )
    assert Decimal(record["usd"]["spent"]) == Decimal(ledger["cost_usd"])
    assert record["tokens"] == ledger["tokens"]
    assert record["rows"] == {
        "total": 21, "already_answered": 0, "sent": 20, "succeeded": 20,
        "by_status": {"errored": 1, "succeeded": 20}, "failed": 0,
    }  # fmt: skip
    assert record["errors"] == [{"type": "client.template", "rows": 1, "example_id": "21"}]
    assert record["collected"] == {"attempts": 0, "billed": 0, "usd": "0"}
    assert record["models"] == {"claude-haiku-5-5": 20}
    (file,) = record["output"]
    assert file["rows"] == 21
    assert file["sha256"] == hashlib.sha256(job.output.read_bytes()).hexdigest()
    status = json.loads((job.folder / "runs" / "job" / "status.json").read_text())
    assert set(status) >= SHAPE
    assert status["state"] == "ended"


def test_a_streamed_run_measures_its_speed(tmp_path: Path) -> None:
    """Time to first token and output tokens per second match the simulator's speed."""
    server = Server("--latency", "1", "--ttft-s", "0.2", "--tokens-per-s", "1000")
    job = Job(tmp_path, server).write(rows(12), api="stream = true")
    job.run()
    record, latencies = record_of(job), job.table()["_latency_s"].to_pylist()
    ttfts = job.table()["_ttft_s"].to_pylist()
    assert all(0.05 < ttft < latency for ttft, latency in zip(ttfts, latencies, strict=True))
    assert record["ttft_s"]["p50"] == pytest.approx(median(ttfts))
    assert record["ttft_s"]["p50"] <= record["ttft_s"]["p95"] <= max(ttfts)
    tokens = job.table()["_output_tokens"].to_pylist()
    speeds = [count / latency for count, latency in zip(tokens, latencies, strict=True)]
    assert record["output_tokens_per_s"]["p50"] == pytest.approx(median(speeds))
    assert min(speeds) <= record["output_tokens_per_s"]["p5"] <= median(speeds) < 1500
    server.close()


def test_a_run_without_streams_has_no_time_to_first_token(job: Job) -> None:
    """Without a stream the time to first token is unknown; tokens per second are known."""
    job.write(rows(3)).run()
    record = record_of(job)
    assert record["ttft_s"] == {"p50": None, "p95": None}
    assert record["output_tokens_per_s"]["p50"] > 0


def record_of(job: Job) -> dict[str, Any]:
    """Return the record of a job's only run."""
    (path,) = (job.folder / "runs" / "job").glob("*/run.json")
    return json.loads(path.read_text())
