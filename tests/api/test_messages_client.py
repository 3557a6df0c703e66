"""The Messages client: the requests it sends, the streams it reads, the headers it refuses."""

import asyncio
import json
import time
from decimal import Decimal
from typing import Any

import httpx
import pytest
from fault_server import (
    BODY,
    CANARY,
    HANG,
    KEEP,
    RESET,
    Attempts,
    FaultServer,
    reply,
    run_async,
    section,
)

from batcher.api.client import MessagesClient
from batcher.api.key import Secret
from batcher.core.answers.outcome import classify
from batcher.core.job import ApiSection
from batcher.errors import ConfigurationError

pytestmark = pytest.mark.usefixtures("each_transport", "each_scheme")

USAGE = {"input_tokens": 7, "output_tokens": 1, "service_tier": "standard"}
EVENTS = [
    {
        "type": "message_start",
        "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
        | {"content": [], "stop_reason": None, "usage": USAGE},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "grün"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": 3},
    },
    {"type": "message_stop"},
]
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "grün"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 7, "output_tokens": 3, "service_tier": "standard"},
}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "later"}}
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def sse(*events: Any) -> bytes:
    """Return the events as the API writes them."""
    lines = [f"event: {e['type']}\ndata: {json.dumps(e, ensure_ascii=False)}\n\n" for e in events]
    return "".join(lines).encode()


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_a_stream_becomes_a_message(attempts: Attempts) -> None:
    """A streamed response has the body of an unstreamed one, and a time to first content."""
    [result] = attempts([STREAM_HEAD + chunk(sse(*EVENTS)) + chunk(b"")], stream=True)
    assert json.loads(result.body) == MESSAGE
    assert (result.status, result.fault) == (200, None)
    assert 0 < result.ttft_s <= result.latency_s


def test_a_stream_may_be_cut_at_every_byte(attempts: Attempts) -> None:
    """Chunks of one byte fold to the same message."""
    pieces = b"".join(chunk(bytes([byte])) for byte in sse(*EVENTS))
    [result] = attempts([STREAM_HEAD + pieces + chunk(b"")], stream=True)
    assert json.loads(result.body) == MESSAGE


@pytest.mark.parametrize(
    ("end", "fault"),
    [
        ([chunk(b"")], "client.stream_incomplete"),
        ([RESET], "client.cut_short"),
        ([b""], "client.cut_short"),
        ([HANG], "client.timeout"),
    ],
    ids=["proper end", "reset", "closed", "stalled"],
)
def test_a_stream_without_its_end_is_kept_as_received(
    attempts: Attempts, end: list[Any], fault: str | None
) -> None:
    """The stream may have been billed, so its bytes are kept."""
    beginning = sse(*EVENTS[:4])
    [result] = attempts([STREAM_HEAD + chunk(beginning), *end], stream=True, timeout_s=0.3)
    assert (result.status, result.fault) == (200, fault)
    if end != [RESET]:
        assert result.body == beginning
        assert result.ttft_s is not None


@pytest.mark.parametrize("end", [[chunk(b"")], [RESET], [b""], [HANG]], ids=repr)
def test_a_message_with_its_stop_event_is_complete(attempts: Attempts, end: list[Any]) -> None:
    """After message_stop nothing is missing, so a later failure does not lose a paid answer."""
    started = time.perf_counter()
    [result] = attempts([STREAM_HEAD + chunk(sse(*EVENTS)), *end], stream=True, timeout_s=0.5)
    if end != [RESET] or result.fault is None:
        assert (json.loads(result.body), result.fault) == (MESSAGE, None)
    assert time.perf_counter() - started < 1.5


def test_a_complete_stream_waits_briefly_for_the_end_of_its_body(
    attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that does not end the body does not block the slot until the timeout."""
    monkeypatch.setattr("batcher.api.reading._AFTER_STREAM_S", 0.05)
    [result] = attempts([STREAM_HEAD + chunk(sse(*EVENTS)), HANG], stream=True, timeout_s=30)
    assert result.fault is None
    assert result.latency_s < 5


def test_an_error_inside_a_stream_is_the_body(attempts: Attempts) -> None:
    """The caller classifies the error by its type, so the body is the error only."""
    events = sse(*EVENTS[:4], OVERLOADED)
    [result] = attempts([STREAM_HEAD + chunk(events) + chunk(b"")], stream=True)
    assert (result.status, result.fault) == (200, "client.stream_error")
    assert json.loads(result.body) == OVERLOADED


def test_events_that_are_no_message_are_broken(attempts: Attempts) -> None:
    """Invalid events with the right content type are a fault, and their bytes are kept."""
    events = b"data: nonsense\n\n"
    [result] = attempts([STREAM_HEAD + chunk(events) + chunk(b"")], stream=True)
    assert (result.fault, result.body) == ("client.stream_broken", events)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([EVENTS[0], EVENTS[0] | {"message": {"id": "other"}}], "message_start came twice"),
        (EVENTS[1:], "before message_start"),
        (EVENTS[:-1], "ended without message_stop"),
    ],
)
def test_the_outcome_says_what_is_wrong_with_a_stream(
    attempts: Attempts, events: list[Any], words: str
) -> None:
    """A person who looks at the failure learns what the server did, not only that it is broken."""
    [result] = attempts([STREAM_HEAD + chunk(sse(*events)) + chunk(b"")], stream=True)
    assert words in classify(result).error_message


@pytest.mark.parametrize("more", [[chunk(b"")], [HANG]], ids=["proper end", "stalled"])
def test_a_stream_with_another_content_type_is_folded(attempts: Attempts, more: list[Any]) -> None:
    """A proxy that changes the content type does not make a paid answer unreadable."""
    head = STREAM_HEAD.replace(b"text/event-stream", b"text/html")
    idle = {"idle_timeout_s": Decimal("0.2"), "timeout_s": 30}
    [result] = attempts([head + chunk(sse(*EVENTS)), *more], stream=True, **idle)
    assert (json.loads(result.body), result.fault) == (MESSAGE, None)
    [result] = attempts([head + chunk(sse(*EVENTS[:-1])) + chunk(b"")], stream=True)
    assert result.fault == "client.stream_incomplete"


def test_a_stalled_stream_ends_at_the_idle_timeout(attempts: Attempts) -> None:
    """The bytes before the stall are kept, and the time to first content is recorded."""
    beginning = sse(*EVENTS[:4])
    script = [STREAM_HEAD + chunk(beginning), HANG]
    [result] = attempts(script, stream=True, timeout_s=60, idle_timeout_s=Decimal("0.1"))
    assert (result.fault, result.body) == ("client.stalled", beginning)
    assert result.ttft_s is not None
    assert result.latency_s < 5


def test_pings_keep_a_thinking_stream_alive(attempts: Attempts) -> None:
    """A stream may only have pings for much longer than the idle timeout."""
    ping = chunk(sse({"type": "ping"}))
    pings = [step for _ in range(6) for step in (0.15, ping)]
    script = [STREAM_HEAD, *pings, chunk(sse(*EVENTS)) + chunk(b""), KEEP]
    [result] = attempts(script, stream=True, timeout_s=60, idle_timeout_s=Decimal("0.6"))
    assert (json.loads(result.body), result.fault) == (MESSAGE, None)
    assert 0.6 < result.ttft_s <= result.latency_s


def test_only_the_beginning_of_a_long_broken_stream_is_kept(attempts: Attempts) -> None:
    """Many broken streams have to fit into memory; a complete stream of any length is kept."""
    delta = {**EVENTS[3], "delta": {"type": "text_delta", "text": "x" * 1000}}
    long = [*EVENTS[:3], *[delta] * 200]
    [result] = attempts([STREAM_HEAD + chunk(sse(*long)) + chunk(b"")], stream=True)
    assert (result.fault, result.body) == ("client.stream_incomplete", sse(*long)[: 2**16])
    [result] = attempts([STREAM_HEAD + chunk(sse(*long, *EVENTS[4:])) + chunk(b"")], stream=True)
    assert result.fault is None
    assert len(json.loads(result.body)["content"][0]["text"]) == 200_000


def test_a_body_that_is_no_stream_is_not_folded(attempts: Attempts) -> None:
    """The body of a server that does not stream is kept unchanged."""
    plain = reply(b"{}", b"content-type: application/json")
    html = reply(b"<html>", b"content-type: text/html")
    refused = reply(b'{"e":1}', b"content-type: text/event-stream", status=b"429 Slow")
    results = [attempts([script], stream=True)[0] for script in (plain, html, refused)]
    assert [(r.status, r.body, r.fault) for r in results] == [
        (200, b"{}", None),
        (200, b"<html>", None),
        (429, b'{"e":1}', None),
    ]


def test_what_is_sent() -> None:
    """Path, headers, key and the exact bytes of the request are sent."""
    server = FaultServer([[reply(b"{}", b"Request-Id: req_1", b"X-A: 1", b"x-a: 2")]])
    [result] = asyncio.run(run_async(server, headers={"anthropic-beta": "b1"}))
    [(head, body)] = server.requests
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == "post /v1/messages http/1.1"
    assert {
        f"host: 127.0.0.1:{server.port}",
        f"x-api-key: {CANARY}",
        "anthropic-version: 2026-10-21",
        "anthropic-beta: b1",
        "content-type: application/json",
        f"content-length: {len(BODY)}",
    } <= set(lines)
    assert body == BODY
    assert result.request_id == "req_1"
    assert result.headers["x-a"] == "1, 2"


def test_the_stream_parameter_is_in_the_body() -> None:
    """The parameter is inserted into the canonical bytes, which do not change otherwise."""
    server = FaultServer([[reply(b"{}")]])
    asyncio.run(run_async(server, stream=True))
    assert server.requests[0][1] == b'{"stream":true,' + BODY[1:]


@pytest.mark.parametrize(
    ("auth", "line"), [("bearer", f"authorization: bearer {CANARY}"), ("none", None)]
)
def test_other_kinds_of_authentication(auth: str, line: str | None) -> None:
    """``bearer`` sends the key as a bearer token; ``none`` does not send it."""
    server = FaultServer([[reply(b"{}")]])
    asyncio.run(run_async(server, auth=auth))
    head = server.requests[0][0].decode().lower()
    assert CANARY not in head if line is None else line in head
    assert "x-api-key" not in head


def test_token_counts_and_models() -> None:
    """Token counts and models are requested at the API's paths."""

    async def run() -> list[tuple[bytes, bytes]]:
        server = FaultServer([[reply(b"{}"), KEEP]])
        async with server.running():
            api = section(base_url=f"http://127.0.0.1:{server.port}/prefix/", stream=True)
            async with MessagesClient(api, None, connections=1, timeout_s=1) as client:
                await client.count_tokens(0, b'{"model":"m"}')
                await client.list_models(0)
                await client.model(0, "a/b")
        return server.requests

    requests = asyncio.run(run())
    assert [head.split(b"\r\n")[0] for head, _ in requests] == [
        b"POST /prefix/v1/messages/count_tokens HTTP/1.1",
        b"GET /prefix/v1/models?limit=1000 HTTP/1.1",
        b"GET /prefix/v1/models/a%2Fb HTTP/1.1",
    ]
    assert requests[0][1] == b'{"model":"m"}'


def test_slots_are_connections() -> None:
    """Requests on different slots run at the same time, each on its own connection."""

    async def run() -> tuple[list[Any], Any, int]:
        server = FaultServer([[HANG], [reply(b"{}"), KEEP]])
        async with server.running():
            api = section(base_url=f"http://127.0.0.1:{server.port}")
            async with MessagesClient(api, None, connections=2, timeout_s=0.3) as client:
                hanging = asyncio.create_task(client.send(0, BODY))
                await server.has_request.wait()
                responses = [await client.send(1, BODY) for _ in range(3)]
                return responses, await hanging, server.connections

    responses, hanging, connections = asyncio.run(run())
    assert [response.body for response in responses] == [b"{}"] * 3
    assert (hanging.error_type, connections) == ("client.timeout", 2)


def test_a_mock_transport_works() -> None:
    """The transport is an httpx transport, so that other tests need no socket."""

    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"echo": json.loads(request.content)})

    async def run() -> Any:
        client = MessagesClient(
            ApiSection(),
            Secret(CANARY),
            connections=1,
            timeout_s=1,
            open_transport=lambda: httpx.MockTransport(respond),
        )
        return await client.send(0, b'{"a":1}')

    assert json.loads(asyncio.run(run()).body) == {"echo": {"a": 1}}


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": "k"},
        {"Authorization": "k"},
        {"Content-Length": "1"},
        {"bad name": "v"},
        {"x": "a\r\nx-injected: b"},
        {"x": "ü"},
    ],
    ids=repr,
)
def test_reserved_and_malformed_headers_are_refused(headers: dict[str, str]) -> None:
    """Headers of the job file cannot replace batcher's headers or inject others."""
    with pytest.raises(ConfigurationError) as caught:
        MessagesClient(ApiSection(headers=headers), None, connections=1, timeout_s=1)
    assert "injected" not in str(caught.value)
