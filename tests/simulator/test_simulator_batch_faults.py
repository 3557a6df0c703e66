"""Faults on every batch endpoint, and what they leave behind."""

import gzip
import json
import socket
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest
from simulator_batches import DAY, PATH, BatchClient, error_of, items_of, kinds
from simulator_bodies import body_of

from batcher.simulator import Fault
from batcher.simulator.faults.fault import BATCH_ENDPOINTS, KINDS, PLACES

Batches = Callable[..., BatchClient]
BROKEN = (httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError)


def call(client: BatchClient, endpoint: str, batch_id: str) -> httpx.Response:
    """Send one request to an endpoint."""
    url = f"{PATH}/{batch_id}"
    match endpoint:
        case "create":
            return client.post(items_of(2))
        case "list":
            return client.http.get(PATH)
        case "retrieve":
            return client.http.get(url)
        case "results":
            return client.http.get(f"{url}/results")
        case "cancel":
            return client.http.post(f"{url}/cancel")
        case _:
            return client.http.delete(url)


def ready(client: BatchClient, endpoint: str) -> str:
    """Return a batch for which the endpoint works."""
    batch_id = client.create(items_of(4))["id"]
    if endpoint in ("results", "delete"):
        client.advance(DAY)
    return batch_id


@pytest.mark.parametrize("endpoint", BATCH_ENDPOINTS)
def test_one_endpoint_only(batches: Batches, endpoint: str) -> None:
    """A fault hits its own endpoint; nothing is done, so a second call works."""
    after = 1 if endpoint == "create" else 0
    client = batches(faults=(Fault("overloaded", on=endpoint, after_n=after, times=1),))
    batch_id = ready(client, endpoint)
    before = client.records
    response = call(client, endpoint, batch_id)
    assert error_of(response)[:2] == (529, "overloaded_error")
    assert client.records == before
    for other in {"list", "retrieve", endpoint} - {"delete"}:
        assert call(client, other, batch_id).status_code == 200
    assert client.client.send(body_of()).status_code == 200


def test_all_endpoints(batches: Batches) -> None:
    """An outage of all batch endpoints leaves messages alone."""
    client = batches(faults=(Fault("status", on="batches", status=503),))
    for endpoint in BATCH_ENDPOINTS:
        assert call(client, endpoint, "msgbatch_1").status_code == 503
    assert client.client.send(body_of()).status_code == 200
    assert client.records == []


@pytest.mark.parametrize("kind", ["reset_billed", "hang", "truncated", "late_error", "junk",
                                  "half_json", "reset_mid_body", "gzip_bomb"])  # fmt: skip
def test_a_create_whose_answer_is_lost(batches: Batches, kind: str) -> None:
    """The batch exists, is listed, runs and is billed, although the client has no id."""
    client = batches(faults=(Fault(kind, on="create", times=1, size=100_000),))
    with suppress(*BROKEN, httpx.ReadTimeout):
        response = client.post(items_of(3), timeout=0.3)
        assert response.status_code == (529 if kind == "late_error" else 200)
        with pytest.raises((ValueError, KeyError)):
            assert response.json()["id"]
    (record,) = client.records
    (listed,) = client.http.get(PATH).json()["data"]
    assert listed["id"] == record["id"]
    client.advance(DAY)
    assert kinds(client.results(record["id"])) == {"succeeded": 3}
    (record,) = client.records
    assert record["create_written"] == (kind in ("junk", "half_json", "gzip_bomb", "late_error"))
    assert client.client.totals["answered"] == 3


@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize("count", [1, 600])
def test_a_client_that_dies_after_sending(batches: Batches, count: int, is_reset: bool) -> None:
    """A batch that has arrived as a whole is created, whether or not the client still lives."""
    client = batches()
    body = json.dumps({"requests": items_of(count)}).encode()
    url = httpx.URL(client.client.simulator.url)
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: x\r\nx-api-key: sk\r\nanthropic-version: 2026-10-21\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((url.host, url.port)) as sending:
        sending.sendall(head.encode() + body)
        if not is_reset:
            sending.shutdown(socket.SHUT_RDWR)
        while not client.client.totals["other_requests"]:
            pass  # a reset would discard what has not been read yet
        if is_reset:
            sending.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    while not client.records:
        pass
    (record,) = client.records
    assert record["requests"] == count
    client.advance(DAY)
    assert len(client.results(record["id"])) == count


@pytest.mark.parametrize(
    "kind", ["reset_before", "reset_in_request", "early_413", "status", "redirect"]
)
def test_a_create_that_never_happened(batches: Batches, kind: str) -> None:
    """Nothing is left of a request that failed before it was carried out."""
    client = batches(faults=(Fault(kind, on="create", times=1),))
    with suppress(*BROKEN):
        assert client.post(items_of(3)).status_code in (307, 413, 529)
    assert client.records == []
    assert client.post(items_of(3)).status_code == 200


def test_a_lost_cancel_and_a_lost_delete(batches: Batches) -> None:
    """The batch is canceled and deleted, although the responses are lost."""
    faults = (Fault("reset_billed", on="cancel"), Fault("reset_billed", on="delete"))
    client = batches(faults=faults)
    batch_id = ready(client, "cancel")
    for endpoint in ("cancel", "delete"):
        with pytest.raises(BROKEN):
            call(client, endpoint, batch_id)
        client.advance(DAY)
    (record,) = client.records
    assert record["cancel_initiated_at"] is not None
    assert record["deleted_at"] is not None
    assert client.http.get(f"{PATH}/{batch_id}").status_code == 404


def damaged(batches: Batches, kind: str, **changes: Any) -> tuple[BatchClient, str]:
    """Return a client and a batch whose first results are damaged."""
    client = batches(faults=(Fault(kind, on="results", times=1, **changes),))
    return client, ready(client, "results")


def test_a_spoilt_message(batches: Batches) -> None:
    """The line of one item says whose it is, but its message cannot be read."""
    for kind, what in (("line_nan", b"NaN"), ("line_bytes", b"\xff\xfe")):
        client, batch_id = damaged(batches, kind)
        lines = client.fetch(batch_id).content.splitlines()
        assert [what in line for line in lines] == [False, False, True, False]
        assert len(client.results(batch_id)) == 4


def test_odd_lines(batches: Batches) -> None:
    """Only a reader that splits at line feeds alone, and skips blank lines, finds every result."""
    client, batch_id = damaged(batches, "lines_odd")
    body = client.fetch(batch_id).content
    lines = [json.loads(line) for line in body.split(b"\n") if line.strip()]
    assert {line["custom_id"] for line in lines} == {"r0", "r1", "r2", "r3"}
    assert len(body.decode().splitlines()) > 12
    assert not body.endswith(b"\n")


def test_long_and_endless_results(batches: Batches) -> None:
    """A line of any size, and lines without end."""
    client, batch_id = damaged(batches, "line_long", size=100_000)
    lines = client.fetch(batch_id).content.splitlines()
    assert max(map(len, lines)) > 100_000
    assert len(lines) == 5
    client, batch_id = damaged(batches, "lines_endless")
    with client.http.stream("GET", f"{PATH}/{batch_id}/results") as response:
        received = sum(len(data) for data, _ in zip(response.iter_raw(), range(9), strict=False))
    assert received > 65_536


LINES = [("line_junk", 5, 4), ("line_missing", 3, 3), ("line_stranger", 5, 5), ("line_twice", 5, 4)]


@pytest.mark.parametrize(("kind", "count", "ids"), LINES, ids=[line[0] for line in LINES])
def test_damaged_lines(batches: Batches, kind: str, count: int, ids: int) -> None:
    """A line is no JSON, is missing, is a stranger's or comes twice; the next read is whole."""
    client, batch_id = damaged(batches, kind)
    lines = client.fetch(batch_id).content.splitlines()
    assert len(lines) == count
    found = set()
    for line in lines:
        try:
            found.add(json.loads(line)["custom_id"])
        except ValueError:
            assert kind == "line_junk"
    assert len(found) == ids
    assert (found - {"r0", "r1", "r2", "r3"} != set()) == (kind == "line_stranger")
    assert len(client.results(batch_id)) == 4


@pytest.mark.parametrize("kind", ["truncated", "reset_mid_body", "stream_cut", "stream_error"])
def test_cut_results(batches: Batches, kind: str) -> None:
    """Half of the results arrive; they do not count as fetched."""
    client, batch_id = damaged(batches, kind)
    with pytest.raises(BROKEN):
        client.fetch(batch_id)
    assert client.records[0]["times_fetched"] == 0
    assert len(client.results(batch_id)) == 4
    assert client.records[0]["times_fetched"] == 1


def test_half_of_the_results_as_a_whole_response(batches: Batches) -> None:
    """The response is complete, its last line is not."""
    client, batch_id = damaged(batches, "half_json")
    last = client.fetch(batch_id).content.splitlines()[-1]
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
        json.loads(last)


def test_compressed_results(batches: Batches) -> None:
    """A compressed body unpacks to the results; a bomb unpacks to spaces without end."""
    client, batch_id = damaged(batches, "gzipped")
    with client.http.stream("GET", f"{PATH}/{batch_id}/results") as response:
        assert response.headers["content-encoding"] == "gzip"
        body = gzip.decompress(b"".join(response.iter_raw()))
    assert len(body.splitlines()) == 4
    client, batch_id = damaged(batches, "gzip_cut")
    with client.http.stream("GET", f"{PATH}/{batch_id}/results") as response:
        packed = zlib.decompressobj(wbits=31)
        packed.decompress(b"".join(response.iter_raw()))
    assert not packed.eof
    client, batch_id = damaged(batches, "gzip_bomb", size=2_000_000)
    assert len(client.fetch(batch_id).content) >= 2_000_000


@pytest.mark.parametrize("place", ["retrieve", "list"])
def test_a_foreign_results_url(batches: Batches, place: str) -> None:
    """The address of the results leads to another host."""
    client = batches(faults=(Fault("foreign_results_url", on=place),))
    batch_id = ready(client, "results")
    value = call(client, place, batch_id).json()
    url = (value["data"][0] if place == "list" else value)["results_url"]
    assert url == f"http://example.invalid{PATH}/{batch_id}/results"


def test_items(batches: Batches) -> None:
    """Items fail in passing by a rate, by their text, or expire; none of them is billed."""
    faults = (
        Fault("expired", on="item", match="r 7"),
        Fault("rate_limit", on="item", match="r 8"),
        Fault("usage_missing", on="item", match="r 9"),
        Fault("status", on="item", status=500, rate=0.3),
    )
    client = batches(faults=faults)
    results = client.run(items_of(60))
    assert results["r7"] == {"type": "expired"}
    assert results["r8"]["error"]["error"]["type"] == "rate_limit_error"
    assert "usage" not in results["r9"]["message"]
    errors = [r["error"]["error"]["type"] for r in results.values() if r["type"] == "errored"]
    assert 8 < errors.count("api_error") < 28
    assert client.client.totals["answered"] == kinds(results)["succeeded"]
    again = client.run(items_of(60))
    assert {k for k, r in again.items() if r["type"] == "errored"} != {
        k for k, r in results.items() if r["type"] == "errored"
    }


def test_an_item_that_never_begins(batches: Batches) -> None:
    """It keeps its batch open for 24 hours; a cancel ends both."""
    faults = (Fault("expired", on="item", match="r 3"),)
    client = batches(faults=faults)
    first, second = (client.create(items_of(9))["id"] for _ in range(2))
    client.advance(DAY - 1)
    assert client.get(first)["processing_status"] == "in_progress"
    assert client.client.totals["answered"] == 16
    client.cancel(second)
    client.advance(0)
    assert kinds(client.results(second)) == {"succeeded": 8, "canceled": 1}
    client.advance(1)
    batch = client.get(first)
    assert batch["ended_at"] == batch["expires_at"]
    assert client.results(first)["r3"] == {"type": "expired"}
    assert kinds(client.results(first)) == {"succeeded": 8, "expired": 1}
    stubborn = batches(faults=faults, batch_cancel_rate=0)
    batch_id = stubborn.create(items_of(9))["id"]
    stubborn.cancel(batch_id)
    stubborn.advance(DAY)
    assert kinds(stubborn.results(batch_id)) == {"succeeded": 8, "expired": 1}


def test_rates_and_matches(batches: Batches) -> None:
    """``match`` sees the body of a create, and the path and query of the others."""
    client = batches(faults=(Fault("overloaded", on="create", match="poison"),
                             Fault("overloaded", on="list", match="limit=7"),
                             Fault("overloaded", on="retrieve", attempts=2)))  # fmt: skip
    batch_id = client.create(items_of(1))["id"]
    assert client.post(items_of(1, "poison")).status_code == 529
    assert client.http.get(PATH, params={"limit": 7}).status_code == 529
    assert client.http.get(PATH, params={"limit": 8}).status_code == 200
    statuses = [call(client, "retrieve", batch_id).status_code for _ in range(3)]
    assert statuses == [529, 529, 200]


@pytest.mark.parametrize("text", [
    "overloaded:on=nowhere", "line_twice:on=list", "line_twice", "expired:on=create", "expired",
    "hang:on=item", "early_413:on=batches", "usage_missing:on=results",
    "reset_in_request:on=cancel", "late_error",
    "gzipped:on=item",
])  # fmt: skip
def test_impossible_places(text: str) -> None:
    """A fault that cannot happen at its place is refused."""
    with pytest.raises(ValueError, match="on"):
        Fault.parse(text)


def test_every_kind_has_a_place() -> None:
    """Each kind is possible somewhere."""
    for kind in KINDS:
        possible = 0
        for place in PLACES:
            try:
                possible += Fault(kind, on=place).on == place
            except ValueError:
                continue
        assert possible, kind
