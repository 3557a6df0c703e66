"""TCP connections for httpcore: what a server has sent can be read after a reset.

A server that refuses a large request may answer (413) and reset the connection while the request is
still being sent. asyncio's transports throw away what has arrived when writing fails, and then
nobody knows whether the request was refused. Here the socket itself is read, which has the answer.
"""

import asyncio
import select
import socket
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore

from batcher.api.faults import CouldNotConnect, NoConnectionInTime
from batcher.api.opening import connect
from batcher.api.tls_stream import TlsStream


class SocketBackend(httpcore.AsyncNetworkBackend):
    """Opens TCP connections; httpcore adds TLS where it is needed."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of a host that accepts."""
        try:
            return SocketStream(await connect(host, port, timeout, tuple(socket_options or ())))
        except NoConnectionInTime:
            raise httpcore.ConnectTimeout from None
        except CouldNotConnect as error:
            raise httpcore.ConnectError from error


class SocketStream(httpcore.AsyncNetworkStream):
    """One connection; the end of what it has to read is an error when writing failed before."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._failure: OSError | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Return the next bytes; b"" at the end."""
        try:
            async with asyncio.timeout(timeout):
                data = await asyncio.get_running_loop().sock_recv(self._socket, max_bytes)
        except TimeoutError:
            raise httpcore.ReadTimeout from None
        except OSError as error:
            raise httpcore.ReadError(error) from error
        if not data and self._failure is not None:
            raise httpcore.ReadError(self._failure) from self._failure
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Return when the operating system has taken all bytes."""
        if not buffer:
            return  # writing nothing would only report, and so hide, an error of the connection
        try:
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().sock_sendall(self._socket, buffer)
        except TimeoutError:
            raise httpcore.WriteTimeout from None
        except OSError as error:
            self._failure = error
            raise httpcore.WriteError(error) from error

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        """Return this connection with TLS."""
        return await TlsStream.over(self, ssl_context, server_hostname, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore asks before it uses a kept connection again."""
        match info:
            case "is_readable":
                return _is_readable(self._socket)
            case "socket":
                return self._socket
            case "client_addr":
                return self._socket.getsockname()
            case "server_addr":
                return self._socket.getpeername()
            case _:
                return None


def _is_readable(connection: socket.socket) -> bool:
    """Whether there are bytes, or the end, to read: then an idle connection is of no more use."""
    if connection.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))
