"""What is refused at once, what is refused in the results, and the limits of batches."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from simulator_batches import DAY, PATH, BatchClient, error_of, items_of, kinds
from simulator_bodies import body_of

from batcher.simulator.batches import requests_reader

Batches = Callable[..., BatchClient]
JSON_TYPE = {"content-type": "application/json"}

REFUSED: list[tuple[Any, str]] = [
    ({"requests": []}, "requests: List should have at least 1 item"),
    ({"requests": {}}, "requests: Input should be a valid list"),
    ({}, "requests: Field required"),
    ({"requests": items_of(1), "colour": 1}, "colour: Extra inputs are not permitted"),
    ({"requests": [1]}, "requests.0: Input should be a valid dictionary"),
    ({"requests": [{"params": {}}]}, "requests.0.custom_id: Field required"),
    ({"requests": [{"custom_id": "a"}]}, "requests.0.params: Field required"),
    ({"requests": [{"custom_id": "a", "params": []}]},
     "requests.0.params: Input should be a valid dictionary"),
    ({"requests": [{"custom_id": "a", "params": {}, "metadata": {}}]},
     "requests.0.metadata: Extra inputs are not permitted"),
    ({"requests": items_of(2) + items_of(1)},
     "requests.2.custom_id: custom_id must be unique within the batch"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_refused_at_once(batches: Batches, body: Any, message: str) -> None:
    """A list of another shape is a 400 that names the place; no batch is created."""
    client = batches()
    response = client.http.post(PATH, json=body)
    assert error_of(response) == (400, "invalid_request_error", message)
    assert client.records == []


@pytest.mark.parametrize("custom_id", ["", "a" * 65, "a b", "ä", "a.b", "a\n", 7, None])
def test_custom_ids(batches: Batches, custom_id: Any) -> None:
    """An id has 1 to 64 letters, digits, hyphens and underscores."""
    response = batches().post([{"custom_id": custom_id, "params": body_of()}])
    status, kind, message = error_of(response)
    assert (status, kind) == (400, "invalid_request_error")
    assert message.startswith("requests.0.custom_id: ")


BROKEN = [b"", b"[]", b"{", b'{"requests":[', b'{"requests":[{}],}', b'{"requests" []}',
          b'{"requests":[{"custom_id":"a","params":{}},]}', b'{"requests":[{"custom_id":"a","par',
          b'{"requests":[{"custom_id":"a","params":{"x":NaN}}]}', b'{"requests":[]} x',
          b'{"requests":[{"custom_id":"\xff","params":{}}]}',
          b'{"requests":[{"custom_id":"a","params":' + b"[" * 100_000]  # fmt: skip


@pytest.mark.parametrize("body", BROKEN, ids=lambda body: body[:48].decode("latin-1"))
def test_not_json(batches: Batches, body: bytes) -> None:
    """A body that is not JSON is a 400."""
    client = batches()
    response = client.http.post(PATH, content=body, headers=JSON_TYPE)
    assert error_of(response)[:2] == (400, "invalid_request_error")
    assert client.records == []


def test_any_spelling_of_json(batches: Batches) -> None:
    """White space, escapes, other scripts and items larger than a chunk arrive unchanged."""
    client = batches()
    items = items_of(3)
    items[1]["params"]["messages"][0]["content"] = '漢字 \\ " \u2028 ' + "x" * 600_000
    body = {"requests": items}
    dense = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    for text in (json.dumps(body, indent=3), dense):
        response = client.http.post(PATH, content=text.encode(), headers=JSON_TYPE)
        assert response.status_code == 200, response.text
    client.advance(DAY)
    keys = {entry.key for entry in client.client.simulator.entries() if entry.custom_id == "r1"}
    client.client.send(items[1]["params"])
    assert keys == {client.client.simulator.entries()[-1].key}


def test_too_many_requests(batches: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    """100,000 is the most; here it is 50."""
    assert requests_reader.MAX_REQUESTS == 100_000
    monkeypatch.setattr(requests_reader, "MAX_REQUESTS", 50)
    client = batches()
    message = "requests: List should have at most 50 items"
    assert error_of(client.post(items_of(51)))[2] == message
    assert client.create(items_of(50))["request_counts"]["processing"] == 50


def test_too_large(batches: Batches) -> None:
    """A body above the limit is a 413; that limit is higher than that of a message."""
    client = batches(max_body_bytes=1_000, max_batch_bytes=20_000)
    assert error_of(client.post(items_of(400)))[:2] == (413, "request_too_large")
    assert client.post(items_of(100)).status_code == 200
    assert client.client.send(body_of("x" * 1_000)).status_code == 413


BAD_PARAMS: list[tuple[dict[str, Any], str]] = [
    ({"stream": True}, "stream"),
    ({"speed": "fast"}, "speed"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"fallbacks": [{"model": "claude-opus-5-5"}]}, "fallbacks"),
    ({"billing_policy": {"bill_to": "user_profile"}}, "billing_policy"),
    ({"max_tokens": 10**7}, "max_tokens"),
    ({"messages": []}, "messages"),
    ({"model": None}, "model"),
    ({"temperature": 1}, "temperature"),
    ({"colour": "red"}, "colour"),
]


def test_params_are_checked_later(batches: Batches) -> None:
    """Bad params are accepted at first, and errored in the results with the place."""
    client = batches()
    items = [
        {"custom_id": f"bad{number}", "params": body_of(**changes)}
        for number, (changes, _) in enumerate(BAD_PARAMS)
    ]
    items.append({"custom_id": "unknown", "params": body_of(model="claude-nobody")})
    items += items_of(2)
    results = client.run(items)
    assert kinds(results) == {"errored": len(BAD_PARAMS) + 1, "succeeded": 2}
    for number, (_, place) in enumerate(BAD_PARAMS):
        error = results[f"bad{number}"]["error"]["error"]
        assert error["type"] == "invalid_request_error"
        assert error["message"].startswith(place)
    assert results["unknown"]["error"]["error"]["type"] == "not_found_error"


def test_nesting_breaks_nothing(batches: Batches) -> None:
    """However deep an item is, it is refused at once or in the results; the others go on."""
    client = batches()
    accepted = 0
    for depth in range(900, 1_000, 3):
        nested = b'{"a":' * depth + b"1" + b"}" * depth
        good = json.dumps(items_of(1)[0]).encode()
        body = b'{"requests":[{"custom_id":"deep","params":%s},%s]}' % (nested, good)
        response = client.http.post(PATH, content=body, headers=JSON_TYPE)
        accepted += response.status_code == 200
        assert response.status_code in (200, 400)
    assert accepted
    client.advance(DAY)
    for record in client.records:
        assert record["counts"]["errored"] == record["counts"]["succeeded"] == 1


def test_headers_hold_for_all_items(batches: Batches) -> None:
    """Version and betas are those of the request: 300,000 output tokens need the beta."""
    client = batches()
    old = {"anthropic-version": "2023-06-01"}
    beta = {"anthropic-beta": "output-300k-2026-03-24"}
    cool = items_of(1, model="claude-haiku-4-5", temperature=0.5)
    long = items_of(1, model="claude-opus-5-5", max_tokens=300_000)
    assert kinds(client.run(cool, headers=old)) == {"succeeded": 1}
    assert kinds(client.run(cool)) == {"errored": 1}
    assert kinds(client.run(long, headers=beta)) == {"succeeded": 1}
    assert kinds(client.run(long)) == {"errored": 1}
    none = items_of(1, model="claude-haiku-4-5", max_tokens=300_000)
    assert kinds(client.run(none, headers=beta)) == {"errored": 1}


def test_queue_limit(batches: Batches) -> None:
    """Items that are not processed count; a batch that does not fit is a 429 without a bill."""
    client = batches(batch_queue_limit=100)
    client.create(items_of(60))
    status, kind, message = error_of(client.post(items_of(50)))
    assert (status, kind) == (429, "rate_limit_error")
    assert "100 batch requests in the processing queue" in message
    client.create(items_of(40))
    client.advance(75)
    assert client.post(items_of(50)).status_code == 200
    assert len(client.records) == 3


def test_rate_limit_of_all_endpoints(batches: Batches) -> None:
    """All batch endpoints share one limit with its headers; messages are not affected."""
    client = batches(batch_requests_per_minute=4)
    batch = client.create(items_of(1))
    response = client.http.get(PATH)
    assert response.headers["anthropic-ratelimit-requests-limit"] == "4"
    assert response.headers["anthropic-ratelimit-requests-remaining"] == "2"
    assert "anthropic-ratelimit-input-tokens-limit" not in response.headers
    client.cancel(batch["id"])
    client.fetch(batch["id"])
    refused = client.delete(batch["id"])
    assert error_of(refused)[:2] == (429, "rate_limit_error")
    assert 1 <= int(refused.headers["retry-after"]) <= 15
    assert refused.headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert client.client.send(body_of()).status_code == 200


@pytest.mark.parametrize("reason", ["hipaa", "workspace_human_review_disabled"])
def test_organisations_without_batches(batches: Batches, reason: str) -> None:
    """Create is a 400; the other endpoints work."""
    client = batches(batch_refusal=reason)
    response = client.post(items_of(1))
    assert error_of(response)[:2] == (400, "invalid_request_error")
    assert client.http.get(PATH).json()["data"] == []


def test_another_workspace(batches: Batches) -> None:
    """A key of another workspace sees no batch, and can do nothing to it."""
    client = batches()
    batch = client.create(items_of(1))
    client.advance(DAY)
    client.http.headers["x-api-key"] = "other-1"
    assert client.http.get(PATH).json()["data"] == []
    url = f"{PATH}/{batch['id']}"
    for method, path in (("GET", url), ("GET", f"{url}/results"), ("POST", f"{url}/cancel"),
                         ("DELETE", url)):  # fmt: skip
        assert error_of(client.http.request(method, path))[:2] == (404, "not_found_error")
    assert client.http.get(PATH, params={"after_id": batch["id"]}).status_code == 400
    own = client.create(items_of(2))
    assert [b["id"] for b in client.http.get(PATH).json()["data"]] == [own["id"]]
    assert [record["workspace"] for record in client.records] == ["", "other"]
    client.http.headers["x-api-key"] = "sk-test"
    assert [b["id"] for b in client.http.get(PATH).json()["data"]] == [batch["id"]]


def test_pages(batches: Batches) -> None:
    """Pages are 20 by default and 1,000 at most; an unknown cursor or limit is a 400."""
    client = batches()
    ids = [client.create(items_of(1))["id"] for _ in range(25)][::-1]

    def page(query: str) -> tuple[list[str], bool]:
        value = client.http.get(f"{PATH}?{query}").json()
        shown = [batch["id"] for batch in value["data"]]
        assert (value["first_id"], value["last_id"]) == (shown[0], shown[-1])
        return shown, value["has_more"]

    assert page("") == (ids[:20], True)
    assert page("limit=1000") == (ids, False)
    assert page(f"after_id={ids[19]}") == (ids[20:], False)
    assert page(f"limit=5&before_id={ids[10]}") == (ids[5:10], True)
    assert page(f"limit=5&before_id={ids[5]}") == (ids[:5], False)
    for query in ("limit=0", "limit=1001", "limit=x", "after_id=msgbatch_1", "before_id=x"):
        assert client.http.get(f"{PATH}?{query}").status_code == 400


def test_unknown_paths(batches: Batches) -> None:
    """Other methods and deeper paths are a 404."""
    client = batches()
    batch = client.create(items_of(1))
    for method, path in (("PUT", ""), ("GET", "/cancel"), ("POST", ""), ("GET", "/results/1")):
        response = client.http.request(method, f"{PATH}/{batch['id']}{path}")
        assert error_of(response)[:2] == (404, "not_found_error")
