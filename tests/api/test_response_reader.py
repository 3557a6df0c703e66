"""Responses are read as h11 reads them, in whatever pieces they arrive; garbage harms nothing."""

import asyncio
import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

import h11
import pytest
from fault_server import FaultServer, reply, run_async
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batcher.api.attempt import Attempt
from batcher.api.reading import Bounds, ignore_start
from batcher.api.response_reader import ResponseReader, lower_case
from batcher.core.answers.response import NoResponse, Response

STATUS_LINES = [
    b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.1 529 \xfc", b"HTTP/1.0 200 OK",
    b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 N", b"HTTP/1.1 2000 OK", b"HTTP/1.1  200 OK",
    b"HTTP/2.0 200 OK", b"http/1.1 200 OK", b"HTTP/1.1 20x OK", b"HTTP/1.1 200\tOK",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 Big", b"HTTP/1.1 101 Switch", b"",
    b"HTTP/1.1 099 A",
]  # fmt: skip
HEADERS = [
    b"request-id: r", b"X-A:1", b"x-a: 2", b"x-a:", b" folded", b"x: a\tb", b"x : 1", b": 1", b"x",
    b"x: \xe9", b"x: \x00", b"x: \x01", b"x:  a  ", b"x: a\nb", b"x: a\rb", b"\xe9: 1", b"x: \x7f",
    b"content-length: 2", b"Content-Length: 2", b"content-length: 3", b"content-length: 2, 2",
    b"content-length: +2", b"content-length: -2", b"content-length:", b"content-length: 0",
    b"content-length: 0000000000000000002", b"content-length: 99999999999999999999999",
    b"transfer-encoding: chunked", b"Transfer-Encoding: Chunked",
    b"transfer-encoding: gzip, chunked",
    b"transfer-encoding: identity", b"connection: close", b"Connection: Keep-Alive",
    b"connection: keep-alive, close", b"connection: x", b"content-length: 2_0",
]  # fmt: skip
FRAMINGS = [b"content-length: 2", b"transfer-encoding: chunked", b"connection: close"]
BODIES = [
    b"{}", b"", b"{}x", b"{", b"2\r\n{}\r\n0\r\n\r\n", b"2\r\n{}\r\n0\r\n\r\nHTTP", b"2\r\n{}\r\n",
    b"2;a=b\r\n{}\r\n0\r\n\r\n", b"2 \r\n{}\r\n0\r\n\r\n", b"02\r\n{}\r\n000\r\nx: y\r\n\r\n",
    b"2\r\n{}0\r\n\r\n", b"2\r\n{}xx0\r\n\r\n", b"2\n{}\n0\n\n", b"+2\r\n{}\r\n0\r\n\r\n",
    b"1\r\n{\r\n1\r\n}\r\nzz\r\n", b"A\r\n0123456789\r\n0\r\n \r\n", b"0\r\n\r\n", b"0\r\nx",
    b"0x2\r\n{}\r\n0\r\n\r\n", b"1_0\r\n{}", b"000000000000000000000002\r\n{}\r\n0\r\n\r\n",
    b"1\r\n{\r\n0000000001\r\n}\r\n0\r\n\r", b"2\r\n{}\r\n\r\n0\r\n\r\n", b"2\r\n{}\r2\r\n",
]  # fmt: skip
heads = st.builds(
    lambda line, headers, end, last: end.join([line, *headers]) + last,
    st.sampled_from(STATUS_LINES[:2] * 8 + STATUS_LINES),
    st.lists(
        st.sampled_from(HEADERS) | st.sampled_from(HEADERS[-9:-7] + HEADERS[17:19]), max_size=4
    ),
    st.sampled_from([b"\r\n"] * 9 + [b"\n"]),
    st.sampled_from([b"\r\n\r\n"] * 9 + [b"\n\n", b"\n\r\n", b"\r\n\n", b"\r\n", b"\r\n\r", b""]),
)
wires = st.builds(bytes.__add__, heads, st.sampled_from(BODIES))
damaged = st.builds(
    lambda wire, at, byte: wire[: at % (len(wire) + 1)] + byte + wire[at % (len(wire) + 1) :],
    wires, st.integers(0, 400), st.binary(max_size=2),
)  # fmt: skip
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@dataclass(frozen=True)
class Read:
    """What was read of a response."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    is_done: bool = False
    is_reusable: bool = False
    is_broken: bool = False


def read(wire: bytes, cuts: list[int], *, ends: bool) -> Read:
    """Read a response that arrives in pieces, and perhaps the end of the connection."""
    reader, body = ResponseReader(), b""
    places = sorted({0, len(wire), *(cut % (len(wire) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        if reader.is_done:
            reader.is_reusable = False  # the connection closes when there is more
        elif not reader.is_broken:
            body += reader.feed(wire[start:end])
    if ends and not reader.is_done:
        reader.end()
    headers = tuple(reader.headers.items()) if reader.status else ()
    found = (reader.is_done, reader.is_reusable, reader.is_broken)
    return Read(reader.status, headers, body, *found)


def judged(wire: bytes, *, ends: bool) -> Read:
    """Read a response with h11 alone, all of it at once."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=102_400)
    connection.send(h11.Request(method="POST", target="/", headers=[("host", "h")]))
    connection.send(h11.EndOfMessage())
    found = Read()
    try:
        connection.receive_data(wire) if wire else None
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Response):
                headers = tuple(lower_case(event.headers).items())
                found = replace(found, status=event.status_code, headers=headers)
            elif isinstance(event, h11.Data):
                found = replace(found, body=found.body + bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                is_kept = connection.their_state is h11.DONE and not connection.trailing_data[0]
                return replace(found, is_done=True, is_reusable=is_kept)
            elif event is h11.NEED_DATA:
                if not ends:
                    return found
                if not found.status:
                    return replace(found, is_broken=True)
                connection.receive_data(b"")
    except h11.RemoteProtocolError:
        return replace(found, is_broken=True)


@settings(max_examples=600, deadline=None)
@given(
    wires | damaged | st.binary(max_size=40),
    st.lists(st.integers(0, 500), max_size=6),
    st.booleans(),
)
@example(PLAIN + b"transfer-encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n", [], True)
@example(PLAIN + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx: y\r\n\r\n", [60, 80], True)
@example(PLAIN + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}", [], False)
def test_every_response_is_read_as_h11_reads_it(wire: bytes, cuts: list[int], ends: bool) -> None:
    """Status, headers, body, and whether it is whole, broken, or followed by something."""
    assert read(wire, cuts, ends=ends) == judged(wire, ends=ends)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_one_odd_header_or_status_line(framing: bytes) -> None:
    """Each of them, before and after a plain header and with each body."""
    plain = STATUS_LINES[0]
    heads = [[line, framing] for line in STATUS_LINES]
    heads += [[plain, framing, odd] for odd in HEADERS] + [[plain, odd, framing] for odd in HEADERS]
    for head in heads:
        for body in BODIES:
            wire = b"\r\n".join(head) + b"\r\n\r\n" + body
            for ends in (False, True):
                assert read(wire, [], ends=ends) == judged(wire, ends=ends), wire


MESSAGE = json.dumps({"type": "message", "content": [{"type": "text", "text": "grün " * 40}]})
EVENTS = b"".join(
    b"event: x\ndata: %s\n\n" % data
    for data in (
        b'{"type":"message_start","message":{"id":"m","content":[],"usage":{}}}',
        b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
        b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"gr\xc3\xbcn"}}',
        b'{"type":"content_block_stop","index":0}',
        b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}',
        b'{"type":"message_stop"}',
    )
)


def chunked(body: bytes, size: int, *headers: bytes) -> bytes:
    """Return a response in chunks of this size."""
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    head = b"\r\n".join([b"HTTP/1.1 200 OK", b"transfer-encoding: chunked", *headers])
    return head + b"\r\n\r\n" + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in [*chunks, b""])


STREAM = b"content-type: text/event-stream"
RESPONSES = [
    reply(MESSAGE.encode()),
    reply(gzip.compress(MESSAGE.encode()), b"content-encoding: gzip"),
    reply(b'{"type":"error"}', b"retry-after: 3", status=b"529 Overloaded"),
    reply(b"x" * 3000),
    chunked(MESSAGE.encode(), 7),
    chunked(EVENTS, 33, STREAM),
    chunked(EVENTS[:-30], 50, STREAM),
    chunked(EVENTS, 40, STREAM)[:-9],
    b"HTTP/1.1 103 Early\r\nlink: a\r\n\r\n" + reply(b"{}"),
    b"HTTP/1.1 200 OK\r\n\r\n" + MESSAGE.encode(),
    reply(MESSAGE.encode())[:-5],
    reply(b"1") + reply(b"2"),
]


def attempted(pieces: Iterable[bytes]) -> tuple[Response | NoResponse, bool]:
    """Return what an attempt makes of these pieces and the end, without the times."""

    async def run() -> tuple[Response | NoResponse, bool]:
        attempt = Attempt(b"head", b"body", Bounds(60, 60, max_body_bytes=2000), ignore_start)
        attempt.is_written, attempt.taken = True, 8
        for piece in pieces:
            attempt.take(piece, 0.0)
        attempt.take_end()
        assert attempt.ended.done()
        result = attempt.result()
        if isinstance(result, Response):
            result = replace(result, ttft_s=None)
        return replace(result, latency_s=0), attempt.is_clean

    return asyncio.run(run())


@pytest.mark.parametrize("wire", RESPONSES)
@given(cuts=st.lists(st.integers(1, 4000), max_size=8))
@settings(max_examples=15, deadline=None)
def test_pieces_do_not_matter(wire: bytes, cuts: list[int]) -> None:
    """A response is the same whatever the network makes of it."""
    whole, _ = attempted([wire])
    places = sorted({0, len(wire), *(cut % len(wire) for cut in cuts)})
    assert attempted(wire[a:b] for a, b in pairwise(places)) == (whole, False)
    assert attempted(bytes([byte]) for byte in wire) == (whole, False)


def test_what_comes_after_a_response_spoils_the_connection() -> None:
    """Also when it comes before the sender has seen the response."""

    async def run() -> None:
        for more in (None, b"x", b""):
            attempt = Attempt(b"head", b"body", Bounds(60, 60), ignore_start)
            attempt.is_written = True
            attempt.take(reply(b"{}"), 0.0)
            assert attempt.is_clean
            if more == b"":
                attempt.take_end()
            elif more is not None:
                attempt.take(more, 0.0)
            assert attempt.is_clean is (more is None)
            assert isinstance(attempt.result(), Response)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("taken", "was_sent"), [(0, False), (4, False), (5, True), (7, True), (8, True)]
)
def test_a_request_was_sent_when_a_byte_of_its_body_was(taken: int, was_sent: bool) -> None:
    """A head alone is no request that a server could answer and bill."""

    async def run() -> NoResponse:
        attempt = Attempt(b"head", b"body", Bounds(60, 60), ignore_start)
        attempt.taken, attempt.is_written = taken, taken == 8
        attempt.take_end()
        result = attempt.result()
        assert isinstance(result, NoResponse)
        return result

    result = asyncio.run(run())
    assert (result.was_sent, result.is_cut) == (was_sent, was_sent and taken < 8)


@given(st.lists(damaged | st.binary(max_size=200), max_size=4))
@settings(max_examples=100, deadline=None)
def test_garbage_is_a_value(pieces: list[bytes]) -> None:
    """Whatever a server sends over a connection, the attempt ends, and nothing is raised."""
    [result] = asyncio.run(run_async(FaultServer([[*pieces, b""]]), timeout_s=20))
    assert isinstance(result, (Response, NoResponse))
    assert result.latency_s < 10
    if isinstance(result, NoResponse):
        assert (result.error_type, result.was_sent) in {
            ("client.protocol", True),
            ("client.read", True),
        }
