"""Jobs whose input is that of a batch and whose export is its results, sent in batches."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from whole_runs import Job, Server

FAST = ("--batch-speed", "400000", "--batch-spread", "0", "--batch-median-s", "100")
DELIVERY = '[delivery]\nmode = "batch"\nbatch_rows = 5\npoll_s = 0.05\nlisted_after_s = 0.1\n'


def request(number: int) -> dict[str, Any]:
    """Return a request of a batch; some are equal."""
    messages = [{"role": "user", "content": f"question {number % 9}"}]
    params = {"model": "claude-haiku-5-5", "max_tokens": 300, "messages": messages}
    return {"custom_id": f"r-{number}", "params": params}


@pytest.mark.slow
def test_the_results_of_a_batch_file_are_those_of_the_api(tmp_path: Path) -> None:
    """One line for each id, in order: the API's own messages, errors, and what expired."""
    faults = ("--fault", "400:on=item,match=question 3", "--fault", "expired:on=item,match=tion 5")
    server = Server("--latency", "0", *FAST, *faults)
    requests = [request(number) for number in range(12)]
    job = Job(tmp_path, server)
    lines = "".join(json.dumps(line) + "\n" for line in requests)
    (tmp_path / "rows.jsonl").write_text(lines)
    job.path.write_text(
        '[input]\npath = "rows.jsonl"\nformat = "messages-batch"\n[output]\npath = "out.parquet"\n'
        f'[retry]\nattempts = 2\n[api]\nbase_url = "{server.url}"\n{DELIVERY}'
    )
    job.run(code=5)  # what expired is open
    results = tmp_path / "results.jsonl"
    job.command("export", "--partial", "--format", "messages-batch", "--out", str(results))
    read = [json.loads(line) for line in results.read_text().splitlines()]
    assert [line["custom_id"] for line in read] == [line["custom_id"] for line in requests]
    by_id = {line["custom_id"]: line["result"] for line in read}
    assert by_id["r-3"]["error"]["error"]["type"] == "invalid_request_error"
    assert by_id["r-5"] == {"type": "expired"}
    others = [result for name, result in by_id.items() if name not in ("r-3", "r-5")]
    assert {result["message"]["usage"]["service_tier"] for result in others} == {"batch"}
    assert by_id["r-0"] == by_id["r-9"]
    billed = Decimal(server.ledger()["cost_usd"])
    assert Decimal(job.metadata()["totals"]["cost_usd"]) == billed
    server.close()
