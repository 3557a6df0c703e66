"""Opens TCP connections to the first address of a host that accepts, and makes them secure."""

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from batcher.api.faults import CouldNotConnect, NoConnectionInTime
from batcher.api.tls import PIECE_BYTES, Tls

_STAGGER_S = 0.25
"""How long one address of a host may take before the next one is tried, too (RFC 8305)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is, and how to connect to it within ``connect_s``; ``tls``: with TLS."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    connect_s: float


async def open_socket(
    place: Place, options: tuple[Any, ...] = ()
) -> tuple[socket.socket, Tls | None]:
    """Connect to a server; raises CouldNotConnect or NoConnectionInTime."""
    connection = await connect(place.host, place.port, place.connect_s, options)
    if place.tls is None:
        return connection, None
    try:
        tls = Tls(place.tls, place.host)
        async with asyncio.timeout(place.connect_s):
            await _shake_hands(tls, connection)
    except TimeoutError:
        connection.close()
        raise NoConnectionInTime from None
    except OSError as error:
        connection.close()
        raise CouldNotConnect from error
    except BaseException:
        connection.close()
        raise
    return connection, tls


async def _shake_hands(tls: Tls, connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        is_done = tls.shake_hands()
        if data := tls.outgoing.read():
            await loop.sock_sendall(connection, data)
        if is_done:
            return
        tls.take(await loop.sock_recv(connection, PIECE_BYTES))


async def connect(
    host: str, port: int, timeout_s: float | None, options: tuple[Any, ...]
) -> socket.socket:
    """Connect to the first address of a host that accepts; raises as ``open_socket`` does."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _connected(host, port, options)
    except TimeoutError:
        raise NoConnectionInTime from None
    except OSError as error:
        raise CouldNotConnect from error


async def _connected(host: str, port: int, options: tuple[Any, ...]) -> socket.socket:
    """Try the addresses of a host, each a little after the one before; the first to accept wins."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    attempts: list[asyncio.Task[socket.socket]] = []
    try:
        for number, address in enumerate(found, 1):
            attempts.append(asyncio.create_task(_connect(address, options)))
            last = number == len(found)
            if accepted := await _first_accepted(attempts, None if last else _STAGGER_S):
                return accepted
        failures = [error for attempt in attempts if (error := attempt.exception()) is not None]
    finally:
        for attempt in attempts:
            attempt.add_done_callback(_close_late)
            attempt.cancel()
    raise failures[0] if failures else OSError("the host has no address")


async def _first_accepted(
    attempts: "list[asyncio.Task[socket.socket]]", wait_s: float | None
) -> socket.socket | None:
    """Return the first connection within a time; None when there is none, or all have failed."""
    loop = asyncio.get_running_loop()
    end = None if wait_s is None else loop.time() + wait_s
    while trying := [attempt for attempt in attempts if not attempt.done()]:
        left = None if end is None else end - loop.time()
        done, _ = await asyncio.wait(trying, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        for attempt in done:
            if attempt.exception() is None:
                attempts.remove(attempt)
                return attempt.result()
        if not done:
            return None
    return None


def _close_late(attempt: "asyncio.Task[socket.socket]") -> None:
    """Close a connection that came after another one was taken."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


async def _connect(address: tuple[Any, ...], options: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, _, place = address
    connection = socket.socket(family, kind, protocol)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option in options:
            connection.setsockopt(*option)
        await asyncio.get_running_loop().sock_connect(connection, place)
    except BaseException:
        connection.close()
        raise
    return connection
