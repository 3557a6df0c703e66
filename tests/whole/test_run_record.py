"""run.json and status.json say what a run came to, in the documented shape."""

import hashlib
import json
from decimal import Decimal

from test_main_job import rows
from whole_runs import Job, Server

SHAPE = {
    "schema_version", "run_id", "job", "state", "exit_code", "started", "ended", "is_simulated",
    "plan", "rows", "usd", "attempts", "checkpoint", "tokens", "latency_s", "pace", "models",
    "errors", "output", "versions", "prices_date", "overrides", "price_overrides",
}  # fmt: skip


def test_a_run_leaves_its_record(job: Job, server: Server) -> None:
    """Totals are the ledger's; the output's digest is the file's; errors have an example."""
    job.write([*rows(20), {"id": "bad"}], limits="concurrency = 4\n").run(code=3)
    (path,) = (job.folder / "runs" / "job").glob("*/run.json")
    record, ledger = json.loads(path.read_text()), server.ledger()
    assert set(record) == SHAPE
    assert (record["state"], record["exit_code"], record["run_id"]) == (
        "ended",
        3,
        path.parent.name,
    )
    assert Decimal(record["usd"]["spent"]) == Decimal(ledger["cost_usd"])
    assert record["tokens"] == ledger["tokens"]
    assert record["rows"] == {
        "total": 21, "known": 0, "sent": 20, "succeeded": 20,
        "by_status": {"errored": 1, "succeeded": 20},
    }  # fmt: skip
    assert record["errors"] == [{"type": "client.template", "n": 1, "example_id": "21"}]
    assert record["models"] == {"claude-haiku-5-5": 20}
    (file,) = record["output"]
    assert file["rows"] == 21
    assert file["sha256"] == hashlib.sha256(job.output.read_bytes()).hexdigest()
    status = json.loads((job.folder / "runs" / "job" / "status.json").read_text())
    assert set(status) >= SHAPE
    assert status["state"] == "ended"
