"""Connections are kept while all goes well, and none is left when something does not."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fault_server import BODY, KEEP, Certified, FaultServer, reply, section

from batcher.api.client import MessagesClient
from batcher.core.answers.response import Response

pytestmark = pytest.mark.usefixtures("each_transport")
FILES = Path("/proc/self/fd")


def open_sockets() -> int:
    """Return the number of sockets that this process has open."""
    found = 0
    for path in FILES.iterdir():
        try:
            found += path.readlink().name.startswith("socket:")
        except OSError:
            continue
    return found


async def use(
    server: FaultServer,
    steps: Callable[[MessagesClient], Any],
    slots: int,
    tls: ssl.SSLContext | None = None,
    **api: Any,
) -> None:
    """Use a client of a running server."""
    async with server.running(tls):
        url = f"http{'s' * bool(tls)}://127.0.0.1:{server.port}"
        settings = section(base_url=url, **api)
        async with MessagesClient(settings, None, connections=slots, timeout_s=20) as client:
            await steps(client)


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("is_secure", [False, True], ids=["http", "https"])
def test_each_slot_connects_once(
    is_secure: bool, is_streamed: bool, self_signed: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the steady state there are as many connections as slots, however many requests."""
    context, certificate = self_signed
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    body = b'data: {"type":"ping"}\n\n' if is_streamed else b"{}"
    chunk = b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    answer = b"HTTP/1.1 200 OK\r\n" + chunk if is_streamed else reply(body)
    server = FaultServer([[answer, KEEP]])

    async def work(client: MessagesClient, slot: int) -> None:
        for _ in range(20):
            assert isinstance(await client.send(slot, BODY), Response)

    async def steps(client: MessagesClient) -> None:
        await asyncio.gather(*(work(client, slot) for slot in range(5)))

    tls = context if is_secure else None
    asyncio.run(use(server, steps, 5, tls, stream=is_streamed))
    assert (server.connections, len(server.requests)) == (5, 100)


@pytest.mark.skipif(not FILES.exists(), reason="the system does not list open files")
@pytest.mark.parametrize("is_secure", [False, True], ids=["http", "https"])
def test_cancelled_attempts_leave_no_connection(
    is_secure: bool, self_signed: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever an attempt is cancelled, its connection is closed: connecting, sending, waiting."""
    context, certificate = self_signed
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
        writer.transport.abort()

    async def run() -> int:
        tls = context if is_secure else None
        async with await asyncio.start_server(listen, "127.0.0.1", 0, ssl=tls) as server:
            port = server.sockets[0].getsockname()[1]
            api = section(base_url=f"http{'s' * is_secure}://127.0.0.1:{port}")
            async with MessagesClient(api, None, connections=5, timeout_s=20) as client:
                before = open_sockets()
                for pauses in range(40):
                    await cancelled_after(pauses, client)
                for _ in range(1000):  # the server's side closes a little later
                    if open_sockets() <= before:
                        break
                    await asyncio.sleep(0.001)
                return open_sockets() - before

    assert asyncio.run(run()) <= 0


async def cancelled_after(pauses: int, client: MessagesClient) -> None:
    """Send on each slot, and cancel all after some turns of the event loop."""
    attempts = [asyncio.create_task(client.send(slot, BODY)) for slot in range(client.connections)]
    for _ in range(pauses):
        await asyncio.sleep(0)
    for attempt in attempts:
        attempt.cancel()
    await asyncio.wait(attempts)


def test_an_answer_is_read_while_the_request_is_being_sent() -> None:
    """A server that answers, and reads no further, is not waited for: over our connections."""
    is_over = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(b'{"type":"error"}', status=b"413 Too Large"))
        await is_over.wait()
        writer.transport.abort()

    async def run() -> Any:
        async with await asyncio.start_server(refuse, "127.0.0.1", 0, limit=2**10) as server:
            port = server.sockets[0].getsockname()[1]
            api = section(base_url=f"http://127.0.0.1:{port}")
            async with MessagesClient(api, None, connections=1, timeout_s=20) as client:
                results = [await client.send(0, bytes(30_000_000)) for _ in range(2)]
            is_over.set()
            await asyncio.sleep(0)
            return results

    if section().transport == "httpx":
        pytest.skip("httpcore reads when all is written")
    for result in asyncio.run(run()):
        assert (result.status, result.fault) == (413, None)
        assert result.latency_s < 10


def test_a_kept_connection_is_closed_before_servers_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was not used for a while is not used again."""
    monkeypatch.setattr("batcher.api.connection.IDLE_S", -1.0)
    if section().transport == "httpx":
        pytest.skip("httpx gets the time when it is imported")
    server = FaultServer([[reply(b"{}"), KEEP]])

    async def steps(client: MessagesClient) -> None:
        for _ in range(3):
            await client.send(0, BODY)

    asyncio.run(use(server, steps, 1))
    assert server.connections == 3
