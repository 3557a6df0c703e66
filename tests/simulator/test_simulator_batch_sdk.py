"""The official SDK drives batches from creation to deletion."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import anthropic
import pytest
from simulator_batches import HOUR, STILL, items_of
from test_simulator_sdk import client_of

from batcher.simulator import Settings, Simulator, run_in_thread

Api = tuple[anthropic.Anthropic, Simulator]


@pytest.fixture
def api() -> Iterator[Api]:
    """An SDK client and its simulator."""
    settings = Settings(seed=3, **STILL)
    with run_in_thread(settings) as simulator, client_of(simulator.url) as client:
        yield client, simulator


def test_a_whole_life(api: Api) -> None:
    """Create, poll, read, delete; each step parses into the SDK's own types."""
    client, simulator = api
    batch = client.messages.batches.create(requests=items_of(5))
    assert batch.id.startswith("msgbatch_")
    assert batch.expires_at - batch.created_at == timedelta(hours=24)
    assert client.messages.batches.retrieve(batch.id) == batch
    with pytest.raises(anthropic.AnthropicError, match="Has it finished processing"):
        client.messages.batches.results(batch.id)
    simulator.advance(HOUR)
    ended = client.messages.batches.retrieve(batch.id)
    assert ended.processing_status == "ended"
    assert ended.request_counts.succeeded == 5
    assert ended.results_url == f"{simulator.url}/v1/messages/batches/{batch.id}/results"
    lines = list(client.messages.batches.results(batch.id))
    assert sorted(line.custom_id for line in lines) == ["r0", "r1", "r2", "r3", "r4"]
    for line in lines:
        assert line.result.type == "succeeded"
        assert line.result.message.usage.service_tier == "batch"
        assert line.result.message.content[-1].type == "text"
    deleted = client.messages.batches.delete(batch.id)
    assert (deleted.id, deleted.type) == (batch.id, "message_batch_deleted")
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve(batch.id)


def test_cancel(api: Api) -> None:
    """A canceled batch is canceling until what has begun has ended."""
    client, simulator = api
    batch = client.messages.batches.create(requests=items_of(100))
    simulator.advance(75)
    canceled = client.messages.batches.cancel(batch.id)
    assert canceled.processing_status == "canceling"
    assert canceled.cancel_initiated_at > batch.created_at
    assert canceled.request_counts.canceled == 0
    simulator.advance(60)
    ended = client.messages.batches.retrieve(batch.id)
    kinds = [line.result.type for line in client.messages.batches.results(batch.id)]
    assert ended.request_counts.canceled == kinds.count("canceled") == 50
    assert ended.request_counts.succeeded == kinds.count("succeeded") == 50


def test_errored_items(api: Api) -> None:
    """A bad item is an error in the results only, of the SDK's error type."""
    client, simulator = api
    items = items_of(2)
    items[0]["params"] = {"model": "claude-haiku-5-5"}
    batch = client.messages.batches.create(requests=items)
    simulator.advance(HOUR)
    lines = {line.custom_id: line.result for line in client.messages.batches.results(batch.id)}
    assert lines["r1"].type == "succeeded"
    assert lines["r0"].type == "errored"
    assert lines["r0"].error.error.type == "invalid_request_error"
    assert lines["r0"].error.error.message == "messages: Field required"
    assert lines["r0"].error.request_id.startswith("req_")


def test_paging(api: Api) -> None:
    """The SDK pages through all batches, newest first, and backwards before one."""
    client, simulator = api
    ids = []
    for number in range(7):
        ids.append(client.messages.batches.create(requests=items_of(number + 1)).id)
        simulator.advance(1)
    page = client.messages.batches.list(limit=3)
    assert (page.first_id, page.last_id, page.has_more) == (ids[6], ids[4], True)
    assert [batch.id for batch in page] == ids[::-1]
    assert [batch.id for batch in client.messages.batches.list()] == ids[::-1]
    before = client.messages.batches.list(before_id=ids[1], limit=2)
    assert [batch.id for batch in before.data] == [ids[3], ids[2]]
    assert {batch.id for batch in before} == set(ids[2:])
    newest = client.messages.batches.list(before_id=ids[6])
    assert (newest.data, newest.has_more, newest.first_id) == ([], False, None)


def test_the_asynchronous_client(api: Api) -> None:
    """The asynchronous SDK reads the same results."""
    _, simulator = api

    async def run() -> list[str]:
        async with anthropic.AsyncAnthropic(api_key="sk", base_url=simulator.url) as client:
            batch = await client.messages.batches.create(requests=items_of(3))
            await asyncio.to_thread(simulator.advance, HOUR)
            lines = await client.messages.batches.results(batch.id)
            return sorted([line.custom_id async for line in lines])

    assert asyncio.run(run()) == ["r0", "r1", "r2"]


def test_human_review_disabled() -> None:
    """The refusal of a workspace has the code that the SDK knows."""
    settings = Settings(batch_refusal="workspace_human_review_disabled")
    with (
        run_in_thread(settings) as simulator,
        client_of(simulator.url) as client,
        pytest.raises(anthropic.BadRequestError) as caught,
    ):
        client.messages.batches.create(requests=items_of(1))
    details = caught.value.body["error"]["details"]
    assert details == {"error_code": "workspace_human_review_disabled"}
