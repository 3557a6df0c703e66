"""Items of batches cost half of the same live requests, and only if they were processed."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from simulator_batches import DAY, HOUR, BatchClient, items_of, kinds
from simulator_bodies import body_of

from batcher.simulator.billing.model_table import models
from batcher.simulator.billing.usage import BATCH, Usage, price

Batches = Callable[..., BatchClient]

USAGES = [
    Usage(412, 57),
    Usage(1, 0, write_5m=7, write_1h=11, read=13, thinking=3),
    Usage(100_001, 1_000),
    Usage(1_000, 100, inference_geo="us"),
    Usage(50_000, 1, write_1h=60_000),
]


@pytest.mark.parametrize("model", sorted({m.id for m in models().values() if m.is_live}))
def test_half_of_every_price(model: str) -> None:
    """Every kind of token of every model costs exactly half, long prompts included."""
    for usage in USAGES:
        parts = {name: getattr(usage, name) for name in Usage.__dataclass_fields__}
        half = price(models()[model], Usage(**(parts | {"tier": BATCH})))
        assert half * 2 == price(models()[model], usage) > 0


def test_same_answers_as_live_at_half_the_price(batches: Batches) -> None:
    """Each item has the answer and the tokens of the live request, and exactly half its cost."""
    client = batches(seed=5, refusal_rate=0.2)
    items = items_of(40, model="claude-opus-5-5")
    live = [client.client.send(item["params"]).json() for item in items]
    results = client.run(items)
    entries = client.client.simulator.entries()
    live_costs = {entry.key: entry.cost for entry in entries if entry.endpoint == "messages"}
    of_items = {entry.custom_id: entry for entry in entries if entry.endpoint == "batch_item"}
    assert len(of_items) == 40
    for item, message in zip(items, live, strict=True):
        answer = results[item["custom_id"]]["message"]
        entry = of_items[item["custom_id"]]
        assert answer["content"] == message["content"]
        assert answer["usage"] == message["usage"] | {"service_tier": "batch"}
        assert entry.cost * 2 == live_costs[entry.key]
    totals = client.client.totals
    assert Decimal(totals["cost_usd"]) == Decimal(totals["batch_cost_usd"]) * 3
    assert Decimal(totals["batch_cost_usd"]) == sum(entry.cost for entry in of_items.values()) > 0
    assert (totals["requests"], totals["answered"], totals["batch_items"]) == (80, 80, 40)
    assert client.records[0]["cost_usd"] == totals["batch_cost_usd"]


def test_billed_when_processed(batches: Batches) -> None:
    """An item costs nothing before it begins; what has begun is billed in spite of a cancel."""
    client = batches()
    batch = client.create(items_of(100))
    assert client.client.totals["in_flight"] == 100
    assert client.client.totals["cost_usd"] == "0"
    client.advance(75)
    cost = client.client.totals["cost_usd"]
    assert (client.client.totals["answered"], cost != "0") == (50, True)
    client.cancel(batch["id"])
    client.advance(HOUR)
    assert kinds(client.results(batch["id"])) == {"succeeded": 50, "canceled": 50}
    totals = client.client.totals
    assert (totals["cost_usd"], totals["in_flight"]) == (cost, 0)
    assert totals["by_outcome"] == {"answered": 50, "canceled": 50}


def test_expired_and_errored_items_are_free(batches: Batches) -> None:
    """Only the items that were answered are in the bill."""
    client = batches(batch_median_s=20 * DAY)
    items = items_of(100)
    for item in items[:50]:
        item["params"]["max_tokens"] = "many"
    batch = client.create(items)
    client.advance(DAY)
    results = client.results(batch["id"])
    counts = kinds(results)
    assert set(counts) == {"succeeded", "errored", "expired"}
    entries = [e for e in client.client.simulator.entries() if e.endpoint == "batch_item"]
    assert len(entries) == 100
    for entry in entries:
        result = results[entry.custom_id]
        assert (entry.cost > 0) == (result["type"] == "succeeded") == (entry.usage is not None)
    assert client.get(batch["id"])["request_counts"] == {"processing": 0, "canceled": 0, **counts}


def test_credit_that_runs_out(batches: Batches) -> None:
    """The items after the end of the credit are errored with the message about the balance."""
    client = batches(credit_usd=Decimal("0.0005"))
    results = client.run(items_of(50))
    errors = [r["error"]["error"] for r in results.values() if r["type"] == "errored"]
    assert 0 < len(errors) < 50
    assert {error["type"] for error in errors} == {"invalid_request_error"}
    assert all("credit balance is too low" in error["message"] for error in errors)
    live = client.client.refused(body_of())
    assert live[:2] == (400, "invalid_request_error")
    assert "credit balance" in live[2]
    added = client.http.post("/_simulator/credit", json={"add_usd": 1}).json()["left_usd"]
    assert Decimal("0.99") < Decimal(added) < 1
    assert kinds(client.run(items_of(50))) == {"succeeded": 50}


def test_what_a_crash_leaves_behind(batches: Batches) -> None:
    """Each batch shows whether its results were ever fetched, and what it cost."""
    client = batches()
    read, lost = client.create(items_of(2)), client.create(items_of(3, "s"))
    client.advance(DAY)
    client.results(read["id"])
    client.results(read["id"])
    assert client.delete(read["id"]).status_code == 200
    first, second = client.records
    assert (first["id"], second["id"]) == (read["id"], lost["id"])
    assert (first["times_fetched"], second["times_fetched"]) == (2, 0)
    assert first["deleted_at"] is not None
    assert second["deleted_at"] is None
    assert second["counts"]["succeeded"] == second["processed"] == second["requests"] == 3
    assert Decimal(second["cost_usd"]) > 0
    assert client.client.simulator.batches() == client.records


def test_ledger_file(batches: Batches, tmp_path: Path) -> None:
    """The file has a line for each item, with its batch and its id, and unique numbers."""
    path = tmp_path / "ledger.jsonl"
    client = batches(ledger=path, keep_requests=False)
    client.client.message()
    batch = client.create(items_of(10))
    client.client.message()
    client.advance(DAY)
    lines: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()]
    of_items = [line for line in lines if line["endpoint"] == "batch_item"]
    assert {line["custom_id"] for line in of_items} == {f"r{n}" for n in range(10)}
    assert {line["batch_id"] for line in of_items} == {batch["id"]}
    assert len({line["sequence"] for line in lines}) == len(lines)
    assert all("batch_id" not in line for line in lines if line["endpoint"] == "messages")
    total = sum(Decimal(line["cost_usd"]) for line in lines)
    assert total == Decimal(client.client.totals["cost_usd"])
