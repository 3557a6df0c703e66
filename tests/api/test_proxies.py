"""Live requests through a proxy: http and https, with faults; it sees the server's name alone."""

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from typing import Any

import pytest
from fault_server import BODY, CANARY, KEEP, RESET, Certified, FaultServer, Step, reply

from batcher.api.client import MessagesClient
from batcher.api.key import Secret
from batcher.api.reading import Bounds
from batcher.api.server import Server
from batcher.api.slot import DirectSlot, HttpxSlot, open_slot
from batcher.core.answers.response import NoResponse
from batcher.core.job import ApiSection

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"


class Tunnel:
    """A proxy that connects everything to one port; ``seen`` is what passes through it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.seen: list[bytes] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        self.connections += 1
        self.seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        there = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._pump(reader, there[1]), self._pump(there[0], writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                self.seen.append(data)
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest) -> Any:
    """The scheme of the proxy: with https there is TLS in TLS."""
    return request.param


def through_proxy(
    scripts: Sequence[Sequence[Step]],
    times: int,
    scheme: str,
    context: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[list[Any], Tunnel]:
    """Send requests to a server through a proxy."""

    async def run() -> tuple[list[Any], Tunnel]:
        server = FaultServer(scripts)
        async with server.running(context):
            tunnel = Tunnel(server.port)
            tls = context if scheme == "https" else None
            async with await asyncio.start_server(tunnel.serve, "127.0.0.1", 0, ssl=tls) as proxy:
                port = proxy.sockets[0].getsockname()[1]
                monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://user:word@127.0.0.1:{port}")
                api = ApiSection(base_url="https://api.example")
                async with MessagesClient(
                    api, Secret(CANARY), connections=1, timeout_s=5
                ) as client:
                    return [await client.send(0, BODY) for _ in range(times)], tunnel

    return asyncio.run(run())


def test_a_proxy_passes_what_it_cannot_read(
    scheme: str, self_signed: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One tunnel carries many requests, and neither key nor prompt can be read in it."""
    context, certificate = self_signed
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    big = b"{%s}" % (b"x" * 300_000)
    results, tunnel = through_proxy([[reply(big), KEEP]], 3, scheme, context, monkeypatch)
    assert [(one.status, one.body, one.fault) for one in results] == [(200, big, None)] * 3
    assert tunnel.connections == 1
    assert tunnel.seen[0].startswith(b"CONNECT api.example:443 HTTP/1.1\r\n")
    assert not any(CANARY.encode() in data or b"max_tokens" in data for data in tunnel.seen)


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ([b""], "client.protocol"),
        ([b"junk\r\n\r\n"], "client.protocol"),
        ([HEAD + b"{"], "client.cut_short"),
        ([reply(b"{}"), RESET], None),
        ([reply(b"no", status=b"413 Too Large")], None),
    ],
)
def test_faults_behind_a_proxy(
    script: list[Step],
    fault: str | None,
    scheme: str,
    self_signed: Certified,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are what they are without it; a request behind the proxy may have been sent."""
    context, certificate = self_signed
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    [result], _ = through_proxy([script], 1, scheme, context, monkeypatch)
    if isinstance(result, NoResponse):
        assert (result.error_type, result.was_sent) == (fault, True)
    else:
        assert result.fault == fault


@pytest.mark.parametrize(
    ("transport", "url", "proxy", "is_direct"),
    [
        ("auto", "https://api.example", None, True),
        ("auto", "http://127.0.0.1:1", "http://proxy.example:1", True),
        ("auto", "https://api.example", "http://proxy.example:1", False),
        ("auto", "https://api.example", "https://proxy.example:1", False),
        ("httpx", "https://api.example", None, False),
        ("httpx", "http://127.0.0.1:1", None, False),
    ],
)
def test_what_carries_a_request(
    transport: str, url: str, proxy: str | None, is_direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own connections, unless there is a proxy or the job asks for httpx."""
    if proxy is not None:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("HTTP_PROXY", proxy)
    server = Server(ApiSection(base_url=url, transport=transport), None, timeout_s=1)
    slot = open_slot(server, Bounds(1, 1))
    assert isinstance(slot, DirectSlot if is_direct else HttpxSlot)
