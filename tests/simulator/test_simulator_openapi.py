"""Responses and accepted requests match the API's published description, if it is available."""

import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from simulator_batches import HOUR, PATH, STILL, BatchClient, items_of, kinds
from simulator_bodies import Client, body_of

from batcher.simulator import Fault

Start = Callable[..., Client]
ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("BATCHER_SHARED", ROOT.parent / "shared" / "data"))
DESCRIPTION = DATA / "anthropic-openapi-2026-08.json"
TOOL = {"name": "t", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}}

pytestmark = pytest.mark.skipif(
    not DESCRIPTION.exists(), reason=f"the API's description is not at {DESCRIPTION}"
)


@cache
def description() -> dict[str, Any]:
    """Return the whole description."""
    return json.loads(DESCRIPTION.read_bytes())


def check(name: str, value: Any) -> None:
    """Validate a value against one of the description's schemas."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": description()["components"]}
    jsonschema.Draft202012Validator(schema).validate(value)


REQUESTS: list[dict[str, Any]] = [
    {},
    {"max_tokens": 5},
    {"tools": [TOOL], "tool_choice": {"type": "any"}},
    {"system": [{"type": "text", "text": "x " * 2_000, "cache_control": {"type": "ephemeral"}}]},
    {"thinking": {"type": "adaptive", "display": "summarized"}},
    {"messages": [{"role": "user", "content": "[[refuse:bio]] x"}]},
]


@pytest.mark.parametrize("changes", REQUESTS, ids=lambda changes: "-".join(changes) or "plain")
def test_messages(shared: Client, changes: dict[str, Any]) -> None:
    """An accepted request and its response match the description."""
    body = body_of(**changes)
    check("CreateMessageParams", body)
    check("Message", shared.send(body).json())


def test_events(shared: Client) -> None:
    """Each event of a stream matches the description."""
    response = shared.send(body_of(stream=True, tools=[TOOL], tool_choice={"type": "any"}))
    data = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    for line in data:
        event = json.loads(line)
        if event["type"] != "ping":
            check("MessageStreamEvent", event)
    assert len(data) > 8


def test_errors(simulate: Start) -> None:
    """Error bodies match the description."""
    client = simulate(faults=(Fault("overloaded", match="529"), Fault("rate_limit", match="429")))
    for prompt in ("529", "429"):
        check("ErrorResponse", client.send(body_of(prompt)).json())
    check("ErrorResponse", client.send({}).json())


def test_models(shared: Client) -> None:
    """The list of models matches the description."""
    check("ListResponse_ModelInfo_", shared.http.get("/v1/models").json())


def test_batches(simulate: Start) -> None:
    """Batches, their pages, their results and their deletion match the description."""
    client = BatchClient(simulate(**STILL))
    items = items_of(20)
    items[0]["params"].pop("messages")
    for item in items[1:]:
        check("MessageBatchIndividualRequestParams", item)
    batch = client.create(items)
    check("MessageBatch", batch)
    client.advance(40)
    check("MessageBatch", client.cancel(batch["id"]).json())
    client.advance(HOUR)
    check("ListResponse_MessageBatch_", client.http.get(PATH).json())
    results = client.results(batch["id"])
    assert set(kinds(results)) == {"succeeded", "errored", "canceled"}
    for custom_id, result in results.items():
        check("MessageBatchIndividualResponse", {"custom_id": custom_id, "result": result})
    check("DeleteMessageBatchResponse", client.delete(batch["id"]).json())
