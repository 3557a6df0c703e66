"""Batches over slow, encrypted and broken connections, and what is sent on them."""

import asyncio
import contextlib
import io
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from batch_calls import DAY, body_of, created, let_pass
from fault_server import CANARY, DEAF, HANG, Certified, FaultServer, Step, reply

from batcher.api.batches_client import BatchesClient
from batcher.api.key import Secret
from batcher.core.answers.response import NoResponse, Response
from batcher.core.job import ApiSection
from batcher.errors import ConfigurationError
from batcher.simulator import Settings
from batcher.simulator.server import Simulator

LINE = b'{"custom_id":"a","result":{"type":"canceled"}}\n'
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def client_for(url: str, *, timeout_s: float = 5, **api: Any) -> BatchesClient:
    """Return a client with the canary key."""
    return BatchesClient(ApiSection(base_url=url, **api), Secret(CANARY), timeout_s=timeout_s)


async def exchanged(script: Sequence[Step], call: Any, **options: Any) -> tuple[Any, FaultServer]:
    """Return what a call gets from a server with a script, and the server."""
    server = FaultServer([script])
    async with server.running():
        result = await call(client_for(f"http://127.0.0.1:{server.port}/base", **options))
    assert CANARY not in repr(result)
    return result, server


async def read(client: BatchesClient) -> tuple[list[bytes], Any]:
    """Return the lines of some results, and how they ended."""
    async with client.results("b") as results:
        lines = [line async for line in results.lines()]
    return lines, results.failure or results.fault


def headers_of(head: bytes) -> dict[str, str]:
    """Return the headers of a request."""
    pairs = (line.decode().split(": ", 1) for line in head.split(b"\r\n")[1:] if line)
    return {name.lower(): value for name, value in pairs}


CALLS = {
    "POST /base/v1/messages/batches HTTP/1.1": lambda c: c.create(io.BytesIO(b"{}"), 2),
    "GET /base/v1/messages/batches?limit=1000 HTTP/1.1": lambda c: c.list_batches(),
    "GET /base/v1/messages/batches?limit=5&before_id=a%26b HTTP/1.1": lambda c: c.list_batches(
        before_id="a&b", limit=5
    ),
    "GET /base/v1/messages/batches/a%2F..%2Fb HTTP/1.1": lambda c: c.retrieve("a/../b"),
    "POST /base/v1/messages/batches/b/cancel HTTP/1.1": lambda c: c.cancel("b"),
    "DELETE /base/v1/messages/batches/b HTTP/1.1": lambda c: c.delete("b"),
    "GET /base/v1/messages/batches/b/results HTTP/1.1": read,
}


@pytest.mark.parametrize("first_line", CALLS)
def test_what_is_sent(first_line: str) -> None:
    """Path, key, version and the job's headers, on each call; compressed results are welcome."""
    options = {"headers": {"anthropic-beta": "x", "Accept": "text/html"}}
    _, server = asyncio.run(exchanged([reply(b"{}")], CALLS[first_line], **options))
    [(head, body)] = server.requests
    headers = headers_of(head)
    assert head.startswith(first_line.encode() + b"\r\n")
    assert headers["x-api-key"] == CANARY
    assert headers["anthropic-version"] == "2026-10-21"
    assert headers["anthropic-beta"] == "x"
    assert headers["content-length"] == str(len(body))
    is_reading = first_line.endswith("/results HTTP/1.1")
    assert headers["accept-encoding"] == ("gzip" if is_reading else "identity")
    assert headers["accept"].endswith("application/json")
    assert len(headers) == len(head.strip().split(b"\r\n")) - 1


def test_results_are_read_at_the_path_that_the_api_names() -> None:
    """A path outside base_url is fine, another server is not."""

    async def run() -> list[bytes]:
        server = FaultServer([[reply(LINE)]])
        async with server.running():
            root = f"http://127.0.0.1:{server.port}"
            client = client_for(f"{root}/base")
            for url in (f"{root}/elsewhere?x=1", "http://127.0.0.1:1/elsewhere", "nonsense"):
                async with client.results("b", url) as results:
                    assert [line async for line in results.lines()] == [LINE.strip()]
        return [head.split(b" ")[1] for head, _ in server.requests]

    own = b"/base/v1/messages/batches/b/results"
    assert asyncio.run(run()) == [b"/elsewhere?x=1", own, own]


def test_a_large_batch_may_take_longer_than_the_timeout() -> None:
    """As long as the server takes more, a slow line is no fault."""
    size = 24_000_000

    async def run() -> Any:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            left = size
            while left:
                left -= len(await reader.readexactly(min(1_000_000, left)))
                await asyncio.sleep(0.04)
            writer.write(reply(b"{}"))
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0, limit=1_000_000) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            client = client_for(url, timeout_s=0.4, idle_timeout_s=Decimal("0.4"))
            return await client.create(io.BytesIO(bytes(size)), size)

    result = asyncio.run(run())
    assert isinstance(result, Response), result
    assert (result.status, result.latency_s > 0.8) == (200, True)


def test_a_server_that_takes_no_more_ends_a_create() -> None:
    """The request was cut off, so there is no batch."""
    size = 30_000_000
    options = {"timeout_s": 60, "idle_timeout_s": Decimal("0.2")}
    result, _ = asyncio.run(
        exchanged([DEAF, HANG], lambda c: c.create(io.BytesIO(bytes(size)), size), **options)
    )
    assert isinstance(result, NoResponse)
    assert (result.error_type, result.was_sent, result.is_cut) == ("client.timeout", True, True)


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.mark.parametrize(("script", "lines", "end"), [
    ([CHUNKED, *[chunk(LINE * 500), 0.05] * 8, chunk(b"")], 4000, None),
    ([CHUNKED, chunk(LINE), *[chunk(b"x"), 0.02] * 400], 1, "client.timeout"),
    ([CHUNKED, chunk(LINE), HANG], 1, "client.stalled"),
    ([CHUNKED, chunk(LINE), b"zz"], 1, "client.cut_short"),
    ([CHUNKED, chunk(LINE * 3 + LINE[:20])], 3, "client.cut_short"),
    ([CHUNKED, chunk(LINE * 3 + LINE[:-1]), chunk(b"")], 4, None),
    ([CHUNKED, chunk(b"")], 0, None),
    ([reply(LINE, b"content-encoding: br")], 0, "client.undecodable"),
    ([reply(LINE, b"content-encoding: gzip")], 0, "client.undecodable"),
    ([b"HTTP/1.1 200 OK\r\n\r\n" + LINE * 3], 3, None),
], ids=["slow", "trickle", "stall", "bad chunk", "cut", "no last end", "empty", "br", "not gzip",
        "no length"])  # fmt: skip
def test_results_over_a_connection_of_any_kind(
    script: Sequence[Step], lines: int, end: str | None
) -> None:
    """A slow server gets its time, a stalled or trickling one does not; whole lines count."""
    options = {"timeout_s": 0.3, "idle_timeout_s": Decimal("0.2")}
    (found, how), _ = asyncio.run(exchanged(script, read, **options))
    assert (len(found), how) == (lines, end)


@pytest.mark.parametrize("size", [1, 7, 20])
def test_a_line_may_be_cut_at_every_byte(size: int) -> None:
    """How the bytes arrive makes no difference."""
    body = LINE * 5 + b"\n\r\n" + LINE
    pieces = [chunk(body[start : start + size]) for start in range(0, len(body), size)]
    (found, how), _ = asyncio.run(exchanged([CHUNKED + b"".join(pieces) + chunk(b"")], read))
    assert (found, how) == ([LINE.strip()] * 6, None)


@contextlib.asynccontextmanager
async def relay(
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    is_proxy: bool = False,
    loses: bytes | None = None,
    seen: list[bytes] | None = None,
) -> AsyncIterator[int]:
    """Pass connections on to a port; reset them instead of an answer that contains ``loses``.

    A proxy first reads a CONNECT, which is put into ``seen`` with all that follows.
    """

    async def pump(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: bytes | None
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if seen is not None:
                    seen.append(data)
                if lost is not None and lost in data:
                    break
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if is_proxy:
            head = await reader.readuntil(b"\r\n\r\n")
            assert seen is not None
            seen.append(head)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        there = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, there[1], None), pump(there[0], writer, loses))

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]


def test_a_whole_life_over_tls_and_through_a_proxy(
    self_signed: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy sees the name of the server and no more; a refusing proxy got nothing."""
    context, certificate = self_signed
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    seen: list[bytes] = []

    async def run() -> None:
        async with Simulator(Settings(batch_speed=0, batch_spread=0)) as there:
            port = httpx.URL(there.url).port
            assert port is not None
            async with (
                relay(port, tls=context) as front,
                relay(front, is_proxy=True, seen=seen) as proxy,
            ):
                monkeypatch.setenv("HTTPS_PROXY", f"http://user:word@127.0.0.1:{proxy}")
                client = client_for("https://api.example:8443")
                batch = await created(client)
                await let_pass(there, DAY)
                async with client.results(batch.id) as results:
                    assert len([line async for line in results.lines()]) == 3
            refused = await client.list_batches()
            assert isinstance(refused, NoResponse)
            assert not refused.was_sent
            assert CANARY not in repr(refused)

    asyncio.run(run())
    assert seen[0].startswith(b"CONNECT api.example:8443 HTTP/1.1\r\n")
    assert not any(CANARY.encode() in data or b"custom_id" in data for data in seen)


@pytest.mark.parametrize("status", [b"403 Forbidden", b"407 Authenticate", b"502 Bad Gateway"])
def test_a_proxy_that_refuses(status: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent to the server, so no batch exists."""

    async def run() -> Any:
        server = FaultServer([[b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n"]])
        async with server.running():
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.port}")
            body = body_of(1)
            client = client_for("https://api.example")
            return await client.create(io.BytesIO(body), len(body))

    result = asyncio.run(run())
    assert (result.error_type, result.was_sent) == ("client.proxy", False)


@pytest.mark.parametrize("is_encrypted", [True, False])
def test_a_proxy_that_loses_the_answer_to_a_create(
    is_encrypted: bool, self_signed: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch exists, and nobody may say that it was not sent; the listing shows it."""
    context, certificate = self_signed
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def run() -> Any:
        async with Simulator(Settings(batch_speed=0)) as there:
            port = httpx.URL(there.url).port
            assert port is not None
            tls, scheme = (context, "https") if is_encrypted else (None, "http")
            async with relay(port, tls=tls, loses=b'"msgbatch_') as front:
                client = client_for(f"{scheme}://127.0.0.1:{front}")
                body = body_of(3)
                result = await client.create(io.BytesIO(body), len(body))
            assert len(there.batches()) == 1
            return result

    result = asyncio.run(run())
    assert isinstance(result, NoResponse), result
    assert (result.was_sent, result.is_cut) == (True, False)


def test_a_certificate_that_does_not_verify_gets_no_batch(self_signed: Certified) -> None:
    """Nothing is sent, on any call."""
    context, _ = self_signed

    async def run() -> list[Any]:
        server = FaultServer([[reply(b"{}")]])
        async with server.running(context):
            client = client_for(f"https://127.0.0.1:{server.port}")
            results = [await client.create(io.BytesIO(b"{}"), 2), await client.retrieve("b")]
            results.append((await read(client))[1])
        assert server.requests == []
        return results

    for result in asyncio.run(run()):
        assert (result.error_type, result.is_fatal, result.was_sent) == ("client.tls", True, False)


@pytest.mark.parametrize("location", ["http://example.invalid/x", "/v1/elsewhere", "//x.invalid"])
def test_redirects_are_not_followed(location: str) -> None:
    """Neither the key nor the prompts go anywhere else."""
    answer = reply(b"", b"location: " + location.encode(), status=b"308 Permanent Redirect")
    for call in CALLS.values():
        result, server = asyncio.run(exchanged([answer], call))
        failure = result[1] if isinstance(result, tuple) else result
        assert (failure.status, server.connections) == (308, 1)


@pytest.mark.parametrize("api", [
    {"base_url": "http://api.anthropic.com"}, {"base_url": "ftp://x"},
    {"headers": {"x-api-key": CANARY}}, {"headers": {"content-length": "5"}},
])  # fmt: skip
def test_unsafe_settings_are_refused(api: dict[str, Any]) -> None:
    """As by the client of live requests; the message does not repeat a key."""
    with pytest.raises(ConfigurationError) as caught:
        BatchesClient(ApiSection(**api), Secret(CANARY), timeout_s=1)
    assert CANARY not in f"{caught.value!r} {caught.value.hint}"


def test_the_key_is_not_shown(tmp_path: Path) -> None:
    """Neither by the client nor by its results, whatever the server says."""
    body = json.dumps({"error": {"message": CANARY}}).encode()
    for call in CALLS.values():
        result, _ = asyncio.run(exchanged([reply(body, status=b"500 No")], call))
        assert CANARY not in repr(result)
    assert CANARY not in repr(client_for("https://api.example"))
