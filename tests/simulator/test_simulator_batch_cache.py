"""The prompt cache of batches: apart from the live one, and written for the next batch."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from simulator_batches import DAY, BatchClient, items_of

from batcher.simulator.billing.model_table import models
from batcher.simulator.billing.usage import price

Batches = Callable[..., BatchClient]


def marked(count: int, prefix: str, ttl: str = "1h", **changes: Any) -> list[dict[str, Any]]:
    """Return items that share a long system prompt with a breakpoint."""
    system = [{"type": "text", "text": "rubric " * 400,
               "cache_control": {"type": "ephemeral", "ttl": ttl}}]  # fmt: skip
    return items_of(count, prefix, system=system, **changes)


def reads(usages: list[dict[str, Any]]) -> list[bool]:
    """Return for each usage whether it read from the cache; each either reads or writes."""
    for usage in usages:
        assert (usage["cache_read_input_tokens"] > 0) != (usage["cache_creation_input_tokens"] > 0)
    return [usage["cache_read_input_tokens"] > 0 for usage in usages]


def create_and_end(client: BatchClient, items: list[dict[str, Any]], seconds: float) -> None:
    """Run a batch and let only these seconds pass."""
    client.create(items)
    client.advance(seconds)


def test_a_cold_batch_reads_nothing(batches: Batches) -> None:
    """Every item pays for the write, although the batch takes long."""
    usages = batches().usages(marked(40, "a"))
    assert not any(reads(usages))
    assert {usage["cache_creation"]["ephemeral_1h_input_tokens"] for usage in usages} != {0}


def test_without_marks_nothing_is_cached(batches: Batches) -> None:
    """Marks are needed to write and to read."""
    client = batches()
    create_and_end(client, marked(1, "a"), 200)
    usages = client.usages(items_of(3, "b", system="rubric " * 400))
    assert {usage["cache_read_input_tokens"] for usage in usages} == {0}
    assert {usage["cache_creation_input_tokens"] for usage in usages} == {0}


def test_a_primed_batch_reads(batches: Batches) -> None:
    """After a batch of one item, all items of the next one read, at the batch price of reads."""
    client = batches()
    create_and_end(client, marked(1, "a"), 200)
    assert all(reads(client.usages(marked(30, "b"))))
    entries = {entry.custom_id: entry for entry in client.client.simulator.entries()}
    wrote, read = entries["a0"].usage, entries["b0"].usage
    assert wrote.write_1h == read.read > 1_000
    haiku = models()["claude-haiku-5-5"]
    live = replace(read, tier="standard")
    assert entries["b0"].cost * 2 == price(haiku, live)


@pytest.mark.parametrize(("ttl", "seconds", "is_read"), [
    ("5m", 200, True), ("5m", 400, False), ("1h", 3_500, True), ("1h", 3_700, False),
])  # fmt: skip
def test_lifetimes(batches: Batches, ttl: str, seconds: float, is_read: bool) -> None:
    """An entry lives from the start of the item that wrote it."""
    client = batches()
    create_and_end(client, marked(1, "a", ttl), seconds)
    assert reads(client.usages(marked(1, "b", ttl))) == [is_read]


def test_each_read_renews(batches: Batches) -> None:
    """A batch that takes longer than the lifetime reads to its end, because its reads renew it."""
    client = batches(batch_median_s=200_000)
    create_and_end(client, marked(1, "a"), 2_100)
    usages = client.usages(marked(100, "b"))
    assert all(reads(usages))


def test_a_late_start_reads_nothing(batches: Batches) -> None:
    """If the entry ends before the first item begins, the whole batch is cold again."""
    client = batches(batch_median_s=900_000)
    create_and_end(client, marked(1, "a", "5m"), 9_100)
    assert not any(reads(client.usages(marked(2, "b", "5m"))))


def test_batches_at_the_same_time(batches: Batches) -> None:
    """A batch reads what another one wrote, once that item has its answer."""
    client = batches()
    first, second = marked(20, "a"), marked(20, "b")
    one = client.create(first)
    client.advance(30)
    other = client.create(second)
    client.advance(DAY)
    lines = client.results(one["id"]) | client.results(other["id"])
    wrote = [reads([lines[item["custom_id"]]["message"]["usage"]])[0] for item in first]
    read = [reads([lines[item["custom_id"]]["message"]["usage"]])[0] for item in second]
    assert not any(wrote)
    assert any(read)
    assert not all(read)


def test_live_requests_and_batches_share_nothing(batches: Batches) -> None:
    """Neither reads what the other wrote."""
    client = batches(batch_floor_s=0, batch_median_s=0, batch_results_after_s=0)
    (live,) = marked(1, "live")

    def is_live_read() -> bool:
        return reads([client.client.send(live["params"]).json()["usage"]])[0]

    assert [is_live_read(), is_live_read()] == [False, True]
    assert reads(client.usages(marked(1, "a"))) == [False]
    client = batches(batch_floor_s=0, batch_median_s=0, batch_results_after_s=0)
    create_and_end(client, marked(1, "a"), 0)
    batch = client.create(marked(1, "b"))
    assert not is_live_read()
    client.advance(0)
    assert reads([client.results(batch["id"])["b0"]["message"]["usage"]]) == [True]


@pytest.mark.parametrize("changes", [
    {"model": "claude-haiku-4-5"}, {"thinking": {"type": "disabled"}},
    {"output_config": {"effort": "low"}},
], ids=str)  # fmt: skip
def test_other_prefixes_miss(batches: Batches, changes: dict[str, Any]) -> None:
    """Another model, thinking or effort is another entry."""
    client = batches()
    create_and_end(client, marked(1, "a"), 200)
    usages = client.usages(marked(1, "b", **changes))
    assert usages[0]["cache_read_input_tokens"] == 0


def test_another_workspace_misses(batches: Batches) -> None:
    """Entries belong to a workspace."""
    client = batches()
    create_and_end(client, marked(1, "a"), 200)
    client.http.headers["x-api-key"] = "other-key"
    assert reads(client.usages(marked(1, "b"))) == [False]


def test_best_effort(batches: Batches) -> None:
    """With the setting, a share of the items reads what their own batch has written."""
    client = batches(batch_cache_rate=0.5, seed=2)
    usages = client.usages(marked(80, "a", "5m"))
    assert 10 < sum(reads(usages)) < 50
