"""What the client sends, how it reads streams, and what it refuses."""

import asyncio
import json
import time
from decimal import Decimal
from typing import Any

import httpx
import pytest
from fault_server import BODY, CANARY, HANG, KEEP, RESET, Attempts, FaultServer, answered, run_async

from batcher.api.client import MessagesClient
from batcher.api.key import Secret
from batcher.core.job import ApiSection
from batcher.errors import ConfigurationError

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
    """Write the events as the API writes them."""
    lines = [f"event: {e['type']}\ndata: {json.dumps(e, ensure_ascii=False)}\n\n" for e in events]
    return "".join(lines).encode()


def chunk(data: bytes) -> bytes:
    """Make one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_a_stream_becomes_the_message_it_would_have_been(attempts: Attempts) -> None:
    """A streamed answer has the body of an unstreamed one and a time to its first content."""
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
def test_a_stream_without_its_end_is_kept_as_it_came(
    attempts: Attempts, end: list[Any], fault: str | None
) -> None:
    """What was streamed may have been billed, so its bytes are kept."""
    begun = sse(*EVENTS[:4])
    [result] = attempts([STREAM_HEAD + chunk(begun), *end], stream=True, timeout_s=0.3)
    assert (result.status, result.fault) == (200, fault)
    if end != [RESET]:
        assert result.body == begun
        assert result.ttft_s is not None


@pytest.mark.parametrize("end", [[chunk(b"")], [RESET], [b""], [HANG]], ids=repr)
def test_a_message_that_stopped_is_whole_whatever_comes_next(
    attempts: Attempts, end: list[Any]
) -> None:
    """After message_stop nothing can be missing, so no paid answer is thrown away."""
    started = time.perf_counter()
    [result] = attempts([STREAM_HEAD + chunk(sse(*EVENTS)), *end], stream=True, timeout_s=0.5)
    if end != [RESET] or result.fault is None:
        assert (json.loads(result.body), result.fault) == (MESSAGE, None)
    assert time.perf_counter() - started < 1.5


def test_a_finished_stream_that_is_not_ended_waits_a_moment_only(
    attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that forgets to end the body does not hold up the slot until the timeout."""
    monkeypatch.setattr("batcher.api.client._AFTER_STREAM_S", 0.05)
    [result] = attempts([STREAM_HEAD + chunk(sse(*EVENTS)), HANG], stream=True, timeout_s=30)
    assert result.fault is None
    assert result.latency_s < 5


def test_an_error_inside_a_stream_is_the_answer(attempts: Attempts) -> None:
    """The caller classifies by the error's type, so the body is the error alone."""
    events = sse(*EVENTS[:4], OVERLOADED)
    [result] = attempts([STREAM_HEAD + chunk(events) + chunk(b"")], stream=True)
    assert (result.status, result.fault) == (200, "client.stream_error")
    assert json.loads(result.body) == OVERLOADED


def test_events_that_are_no_message_are_broken(attempts: Attempts) -> None:
    """Nonsense under the right content type is a fault, and its bytes are kept."""
    events = b"data: nonsense\n\n"
    [result] = attempts([STREAM_HEAD + chunk(events) + chunk(b"")], stream=True)
    assert (result.fault, result.body) == ("client.stream_broken", events)


@pytest.mark.parametrize("more", [[chunk(b"")], [HANG]], ids=["proper end", "stalled"])
def test_a_stream_under_another_content_type_is_a_stream_all_the_same(
    attempts: Attempts, more: list[Any]
) -> None:
    """A proxy that renames it does not make a paid answer unreadable."""
    head = STREAM_HEAD.replace(b"text/event-stream", b"text/html")
    idle = {"idle_timeout_s": Decimal("0.2"), "timeout_s": 30}
    [result] = attempts([head + chunk(sse(*EVENTS)), *more], stream=True, **idle)
    assert (json.loads(result.body), result.fault) == (MESSAGE, None)
    [result] = attempts([head + chunk(sse(*EVENTS[:-1])) + chunk(b"")], stream=True)
    assert result.fault == "client.stream_incomplete"


def test_a_stream_that_falls_silent_ends_at_the_idle_timeout(attempts: Attempts) -> None:
    """What came before is kept, and its first content has its time."""
    begun = sse(*EVENTS[:4])
    script = [STREAM_HEAD + chunk(begun), HANG]
    [result] = attempts(script, stream=True, timeout_s=60, idle_timeout_s=Decimal("0.1"))
    assert (result.fault, result.body) == ("client.stalled", begun)
    assert result.ttft_s is not None
    assert result.latency_s < 5


def test_pings_keep_a_thinking_stream_alive(attempts: Attempts) -> None:
    """A stream may say nothing else for much longer than the idle timeout."""
    ping = chunk(sse({"type": "ping"}))
    pings = [step for _ in range(6) for step in (0.15, ping)]
    script = [STREAM_HEAD, *pings, chunk(sse(*EVENTS)) + chunk(b""), KEEP]
    [result] = attempts(script, stream=True, timeout_s=60, idle_timeout_s=Decimal("0.6"))
    assert (json.loads(result.body), result.fault) == (MESSAGE, None)
    assert 0.6 < result.ttft_s <= result.latency_s


def test_of_a_long_stream_without_its_end_the_beginning_is_kept(attempts: Attempts) -> None:
    """Many broken streams at once have to fit into memory; a whole one of any length is whole."""
    delta = {**EVENTS[3], "delta": {"type": "text_delta", "text": "x" * 1000}}
    long = [*EVENTS[:3], *[delta] * 200]
    [result] = attempts([STREAM_HEAD + chunk(sse(*long)) + chunk(b"")], stream=True)
    assert (result.fault, result.body) == ("client.stream_incomplete", sse(*long)[: 2**16])
    [result] = attempts([STREAM_HEAD + chunk(sse(*long, *EVENTS[4:])) + chunk(b"")], stream=True)
    assert result.fault is None
    assert len(json.loads(result.body)["content"][0]["text"]) == 200_000


def test_an_answer_of_another_content_type_is_not_folded(attempts: Attempts) -> None:
    """A server that does not stream, or does not say so, gives its body as it is."""
    plain = answered(b"{}", b"content-type: application/json")
    html = answered(b"<html>", b"content-type: text/html")
    refused = answered(b'{"e":1}', b"content-type: text/event-stream", status=b"429 Slow")
    results = [attempts([script], stream=True)[0] for script in (plain, html, refused)]
    assert [(r.status, r.body, r.fault) for r in results] == [
        (200, b"{}", None),
        (200, b"<html>", None),
        (429, b'{"e":1}', None),
    ]


def test_what_is_sent() -> None:
    """The path, the headers and the very bytes of the request go out; the key in its header."""
    server = FaultServer([[answered(b"{}", b"Request-Id: req_1", b"X-A: 1", b"x-a: 2")]])
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


def test_streaming_is_asked_for_in_the_body() -> None:
    """The stream parameter is spliced into the canonical bytes, which stay as they are."""
    server = FaultServer([[answered(b"{}")]])
    asyncio.run(run_async(server, stream=True))
    assert server.requests[0][1] == b'{"stream":true,' + BODY[1:]


@pytest.mark.parametrize(
    ("auth", "line"), [("bearer", f"authorization: bearer {CANARY}"), ("none", None)]
)
def test_other_ways_to_show_the_key(auth: str, line: str | None) -> None:
    """Bearer sends the key as a bearer token; none sends it nowhere."""
    server = FaultServer([[answered(b"{}")]])
    asyncio.run(run_async(server, auth=auth))
    head = server.requests[0][0].decode().lower()
    assert CANARY not in head if line is None else line in head
    assert "x-api-key" not in head


def test_the_small_siblings() -> None:
    """Token counts and models are asked for where the API has them."""

    async def run() -> list[tuple[bytes, bytes]]:
        server = FaultServer([[answered(b"{}"), KEEP]])
        async with server.running():
            api = ApiSection(base_url=f"http://127.0.0.1:{server.port}/prefix/", stream=True)
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
    """Requests on different slots travel at the same time, each on a connection of its own."""

    async def run() -> tuple[list[Any], Any, int]:
        server = FaultServer([[HANG], [answered(b"{}"), KEEP]])
        async with server.running():
            api = ApiSection(base_url=f"http://127.0.0.1:{server.port}")
            async with MessagesClient(api, None, connections=2, timeout_s=0.3) as client:
                held = asyncio.create_task(client.send(0, BODY))
                await server.has_request.wait()
                answers = [await client.send(1, BODY) for _ in range(3)]
                return answers, await held, server.connections

    answers, held, connections = asyncio.run(run())
    assert [answer.body for answer in answers] == [b"{}"] * 3
    assert (held.error_type, connections) == ("client.timeout", 2)


def test_a_mock_transport_will_do() -> None:
    """The seam is httpx's own, so tests elsewhere need no socket."""

    def reply(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"echo": json.loads(request.content)})

    async def run() -> Any:
        client = MessagesClient(
            ApiSection(),
            Secret(CANARY),
            connections=1,
            timeout_s=1,
            open_transport=lambda: httpx.MockTransport(reply),
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
def test_headers_that_are_ours_or_malformed_are_refused(headers: dict[str, str]) -> None:
    """The job file's headers can neither replace ours nor smuggle in others."""
    with pytest.raises(ConfigurationError) as caught:
        MessagesClient(ApiSection(headers=headers), None, connections=1, timeout_s=1)
    assert "injected" not in str(caught.value)
