"""Each failure of a connection becomes the documented error type."""

import asyncio
import gzip
import zlib
from decimal import Decimal
from typing import Any

import pytest
from fault_server import (
    DEAF,
    HANG,
    KEEP,
    RESET,
    Attempts,
    FaultServer,
    reply,
    run_async,
)

from batcher.api.body import Body
from batcher.core.answers.response import NoResponse, Response

pytestmark = pytest.mark.usefixtures("each_transport", "each_scheme")

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
ENDLESS = HEAD + b"".join(b"x-%d: %s\r\n" % (n, b"y" * 1000) for n in range(200))


@pytest.mark.parametrize(
    ("script", "error_type"),
    [
        pytest.param([RESET], "client.read", id="reset before the response"),
        pytest.param([b""], "client.protocol", id="closed before the response"),
        pytest.param([HEAD, RESET], "client.read", id="reset inside the headers"),
        pytest.param([HEAD], "client.protocol", id="closed inside the headers"),
        pytest.param([HANG], "client.timeout", id="no response"),
        pytest.param([HEAD, HANG], "client.timeout", id="hang inside the headers"),
        pytest.param([b"SSH-2.0-garbage\r\n\r\n"], "client.protocol", id="garbage status line"),
        pytest.param([bytes(range(256)) * 4], "client.protocol", id="binary garbage"),
        pytest.param([ENDLESS, HANG], "client.protocol", id="endless headers"),
        pytest.param([HEAD + b"x: " + b"y" * 200_000], "client.protocol", id="huge header"),
        pytest.param(
            [HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}"],
            "client.protocol",
            id="two lengths",
        ),
        pytest.param(
            [HEAD + b"content-length: -2\r\n\r\n{}"], "client.protocol", id="negative length"
        ),
        pytest.param(
            [b"HTTP/1.1 100 Continue\r\n\r\n" * 5000, HANG], "client.timeout", id="1xx flood"
        ),
    ],
)
def test_a_failure_before_the_status_was_sent(
    attempts: Attempts, script: list[Any], error_type: str
) -> None:
    """Once the body was sent, the billing status is unknown, never "not sent"."""
    [result] = attempts(script, timeout_s=0.4)
    assert isinstance(result, NoResponse)
    assert (result.error_type, result.was_sent) == (error_type, True)
    assert not result.is_fatal
    assert "garbage" not in result.message


@pytest.mark.parametrize(
    ("script", "body", "fault"),
    [
        pytest.param(
            [HEAD + b"content-length: 9\r\n\r\n", RESET], b"", "client.cut_short", id="reset, empty"
        ),
        pytest.param(
            [HEAD + b"content-length: 9\r\n\r\n{}", RESET],
            None,
            "client.cut_short",
            id="reset inside the body",
        ),
        pytest.param(
            [HEAD + b"content-length: 9\r\n\r\n{}"], b"{}", "client.cut_short", id="too long length"
        ),
        pytest.param([CHUNKED + b"5\r\n{}"], b"{}", "client.cut_short", id="cut inside a chunk"),
        pytest.param([CHUNKED + b"2\r\n{}\r\n"], b"{}", "client.cut_short", id="no last chunk"),
        pytest.param([CHUNKED + b"zz\r\n{}"], b"", "client.cut_short", id="bad chunk size"),
        pytest.param(
            [HEAD + b"content-length: 9\r\n\r\n{}", HANG], b"{}", "client.timeout", id="stalled"
        ),
        pytest.param(
            [HEAD + b"content-length: 2000000\r\n\r\n" + b"x" * 2_000_000],
            b"x" * 2**16,
            "client.answer_too_large",
            id="too large",
        ),
        pytest.param(
            [reply(b"??", b"content-encoding: br")],
            b"??",
            "client.undecodable",
            id="unknown",
        ),
        pytest.param(
            [reply(b"junk", b"content-encoding: gzip")],
            b"",
            "client.undecodable",
            id="not gzip",
        ),
        pytest.param(
            [reply(gzip.compress(b"{}")[:-3], b"content-encoding: gzip")],
            b"{}",
            "client.cut_short",
            id="gzip without its end",
        ),
    ],
)
def test_a_failure_in_the_body_is_a_response_with_a_fault(
    attempts: Attempts, script: list[Any], body: bytes, fault: str | None
) -> None:
    """A failure after the status keeps status and bytes, and has a fault."""
    [result] = attempts(script, timeout_s=0.4)
    assert isinstance(result, Response)
    assert (result.status, result.fault) == (200, fault)
    if body is not None:
        assert result.body == body


@pytest.mark.parametrize(
    ("script", "status", "body"),
    [
        pytest.param([reply(b"{}"), KEEP], 200, b"{}", id="plain"),
        pytest.param([reply(b"")], 200, b"", id="empty"),
        pytest.param([b"HTTP/1.1 204 No Content\r\n\r\n"], 204, b"", id="204"),
        pytest.param([reply(b"junk")], 200, b"junk", id="200 junk"),
        pytest.param([HEAD + b"\r\n{}"], 200, b"{}", id="without a length"),
        pytest.param([HEAD + b"content-length: 1\r\n\r\n{}"], 200, b"{", id="too short length"),
        pytest.param([CHUNKED + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"], 200, b"{}", id="chunked"),
        pytest.param(
            [reply(b"<html>", b"content-type: text/html", status=b"500 No")],
            500,
            b"<html>",
            id="HTML 500",
        ),
        pytest.param(
            [DEAF, reply(b"big", status=b"413 Too Large"), HANG],
            413,
            b"big",
            id="early 413",
        ),
        pytest.param(
            [b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50 + reply(b"{}")], 200, b"{}", id="1xx"
        ),
        pytest.param(
            [reply(gzip.compress(b"{}"), b"content-encoding: gzip")], 200, b"{}", id="gzip"
        ),
        pytest.param(
            [reply(gzip.compress(b"{") + gzip.compress(b"}"), b"Content-Encoding: x-gzip")],
            200,
            b"{}",
            id="gzip of two members",
        ),
        pytest.param(
            [reply(zlib.compress(b"{}"), b"content-encoding: deflate")],
            200,
            b"{}",
            id="deflate",
        ),
    ],
)
def test_a_complete_response_has_no_fault(
    attempts: Attempts, script: list[Any], status: int, body: bytes
) -> None:
    """The client does not judge status or content."""
    [result] = attempts(script)
    assert (result.status, result.body, result.fault) == (status, body, None)


def test_a_gzip_bomb_stops_at_the_cap(attempts: Attempts) -> None:
    """Decoding stops exactly at the cap, also when a few bytes decompress to very many."""
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(200)) + packer.flush()
    [result] = attempts([reply(bomb, b"content-encoding: gzip")], max_body_bytes=50_000)
    assert (result.fault, result.body) == ("client.answer_too_large", bytes(50_000))


@pytest.mark.parametrize("length", [0, 1, 2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20])
@pytest.mark.parametrize("step", [700, 2**16])
def test_a_compressed_body_of_any_length_is_whole(length: int, step: int) -> None:
    """It is decompressed in pieces, and no byte is lost between pieces."""
    plain = bytes(length)
    packed = gzip.compress(plain)
    body = Body(200, {"content-encoding": "gzip"}, 2**22)
    assert all(body.feed(packed[start : start + step]) for start in range(0, len(packed), step))
    assert body.result(None) == (plain, None)


def test_only_the_beginning_of_a_body_over_the_cap_is_kept(attempts: Attempts) -> None:
    """Many such bodies have to fit into memory; the beginning shows what they are."""
    [result] = attempts([reply(bytes(3 * 2**20))], max_body_bytes=2**21)
    assert (result.fault, result.body) == ("client.answer_too_large", bytes(2**16))


def test_a_body_of_exactly_the_cap_is_complete(attempts: Attempts) -> None:
    """The cap itself is accepted."""
    [result] = attempts([reply(b"x" * 100)], max_body_bytes=100)
    assert (result.fault, len(result.body)) == (None, 100)


def test_a_slow_body_ends_at_the_whole_timeout(attempts: Attempts) -> None:
    """Bytes that arrive slowly do not extend the attempt."""
    drip = [b"x", *[b"x"] * 20]
    [result] = attempts([HEAD + b"content-length: 100\r\n\r\n", *drip, HANG], timeout_s=0.3)
    assert result.fault == "client.timeout"
    assert 0.25 < result.latency_s < 0.9


def test_a_stalled_body_ends_at_the_idle_timeout(attempts: Attempts) -> None:
    """After a response has started, a stall ends the attempt long before the whole timeout."""
    script = [HEAD + b"content-length: 9\r\n\r\n{}", HANG]
    [result] = attempts(script, timeout_s=60, idle_timeout_s=Decimal("0.1"))
    assert (result.status, result.body, result.fault) == (200, b"{}", "client.stalled")
    assert 0.1 <= result.latency_s < 5


def test_waiting_for_the_first_byte_is_no_stall(attempts: Attempts) -> None:
    """A model may think for minutes before the first byte: only the whole timeout applies."""
    [result] = attempts([HANG], timeout_s=0.4, idle_timeout_s=Decimal("0.05"))
    assert (result.error_type, result.was_sent) == ("client.timeout", True)
    assert result.latency_s >= 0.4


def test_a_slow_body_is_not_stalled(attempts: Attempts) -> None:
    """The idle timeout starts again with each byte."""
    drip = [step for _ in range(6) for step in (0.15, b"x")]
    script = [HEAD + b"content-length: 6\r\n\r\n", *drip, KEEP]
    [result] = attempts(script, timeout_s=60, idle_timeout_s=Decimal("0.6"))
    assert (result.body, result.fault) == (b"xxxxxx", None)
    assert result.latency_s > 0.6


def test_a_redirect_is_not_followed() -> None:
    """Key and prompt are never sent to the address that a server names."""

    async def run() -> Any:
        other = FaultServer([[reply(b"{}")]])
        async with other.running():
            location = b"location: http://127.0.0.1:%d/v1/messages" % other.port
            results = await run_async(
                FaultServer([[reply(b"", location, status=b"307 Elsewhere")]])
            )
        return results, other

    [result], other = asyncio.run(run())
    assert (result.status, result.fault) == (307, None)
    assert other.connections == 0
