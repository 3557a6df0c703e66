"""Connections to hosts with several addresses, TLS in any pieces, and kept connections."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpcore
import pytest
from fault_server import Certified

from batcher.api import opening
from batcher.api.sockets import SocketBackend
from batcher.api.tls_stream import TlsStream

Serving = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HOST = "several.example"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send everything back until the client has no more to say."""
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def serving(serve: Serving, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve on a port until each connection has been served to its end."""
    endings: list[asyncio.Task[None]] = []

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)
        writer.transport.abort()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        endings.append(asyncio.create_task(serve_one(reader, writer)))

    async with await asyncio.start_server(begin, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*endings, return_exceptions=True)


def resolve_to(
    monkeypatch: pytest.MonkeyPatch, connect: dict[str, OSError | str | None], port: int
) -> list[str]:
    """Give HOST these addresses; each fails, hangs or accepts. Return those that are tried."""
    tried: list[str] = []

    async def found(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (name, port)) for name in connect]

    async def fake_connect(address: tuple[object, ...], _: object) -> socket.socket:
        name = address[4][0]  # type: ignore[index]
        tried.append(name)
        fate = connect[name]
        if isinstance(fate, OSError):
            raise fate
        if fate == "hangs":
            await asyncio.Event().wait()
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setblocking(False)
        return connection

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", found)
    monkeypatch.setattr(opening, "_connect", fake_connect)
    monkeypatch.setattr(opening, "_STAGGER_S", 0.01)
    return tried


@pytest.mark.parametrize(
    ("fates", "tried"),
    [
        ({"a": None, "b": None}, ["a"]),
        ({"a": OSError("no route"), "b": None}, ["a", "b"]),
        ({"a": "hangs", "b": None}, ["a", "b"]),
        ({"a": "hangs", "b": OSError("no route"), "c": None}, ["a", "b", "c"]),
    ],
)
def test_the_first_address_that_accepts_is_used(
    fates: dict[str, OSError | str | None], tried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that does not answer holds nobody up, as IPv6 without a route does."""

    async def main() -> None:
        async with serving(echo) as port:
            asked = resolve_to(monkeypatch, fates, port)
            stream = await SocketBackend().connect_tcp(HOST, port, timeout=20)
            await stream.write(b"hello")
            assert await stream.read(100) == b"hello"
            await stream.aclose()
        assert asked == tried

    asyncio.run(main())


@pytest.mark.parametrize(
    ("fates", "error"),
    [
        ({}, httpcore.ConnectError),
        ({"a": OSError("no route"), "b": OSError("refused")}, httpcore.ConnectError),
        ({"a": "hangs", "b": OSError("refused")}, httpcore.ConnectTimeout),
    ],
)
def test_no_address_accepts(
    fates: dict[str, OSError | str | None],
    error: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All have failed, or the time is over."""

    async def main() -> None:
        resolve_to(monkeypatch, fates, 1)
        with pytest.raises(error):
            await SocketBackend().connect_tcp(HOST, 1, timeout=0.1)

    asyncio.run(main())


def connected(certified: Certified, serve: Serving, use: Callable[..., Awaitable[None]]) -> None:
    """Use a TLS connection to a server."""
    context, certificate = certified

    async def main() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
            plain = await SocketBackend().connect_tcp(
                "127.0.0.1", server.sockets[0].getsockname()[1]
            )
            trusting = ssl.create_default_context(cafile=str(certificate))
            stream = await plain.start_tls(trusting, "127.0.0.1", timeout=20)
            assert isinstance(stream, TlsStream)
            await use(stream)
            await stream.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("size", [1, 16_384, 65_537, 700_001])
def test_bytes_come_back_over_tls(size: int, self_signed: Certified) -> None:
    """Whatever the sizes of writes, records and reads are."""
    sent = bytes(range(256)) * (size // 256 + 1)
    sent = sent[:size]

    async def use(stream: TlsStream) -> None:
        writing = asyncio.create_task(stream.write(sent))
        received = b""
        while len(received) < size:
            received += await stream.read(1000)
        await writing
        assert received == sent
        assert not stream.get_extra_info("is_readable")

    connected(self_signed, echo, use)


def test_the_end_of_a_tls_connection(self_signed: Certified) -> None:
    """What came before it is read; then there is nothing more, announced or not."""
    context, certificate = self_signed

    async def use(port: int) -> list[bytes]:
        plain = await SocketBackend().connect_tcp("127.0.0.1", port)
        trusting = ssl.create_default_context(cafile=str(certificate))
        stream = await plain.start_tls(trusting, "127.0.0.1", timeout=20)
        read = [await stream.read(100, timeout=20) for _ in range(3)]
        await stream.aclose()
        return read

    def hang_up(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.sendall(b"bye")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=hang_up, args=(listener,))
        server.start()
        assert asyncio.run(use(listener.getsockname()[1])) == [b"bye", b"", b""]
        server.join()


def test_a_silent_tls_connection_times_out(self_signed: Certified) -> None:
    """Reading takes no longer than it may."""

    async def use(stream: TlsStream) -> None:
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(100, timeout=0.01)

    connected(self_signed, echo, use)
