"""A slot of the client: one connection to the server, our own or a transport of httpx."""

from collections.abc import Callable
from typing import Protocol

from batcher.api.connection import Connection
from batcher.api.exchange import Content, Exchange
from batcher.api.reading import Bounds
from batcher.api.server import Server
from batcher.api.transport import keep_alive_options
from batcher.core.answers.response import NoResponse, Response


class Slot(Protocol):
    """Carries one request at a time; a failure or a cancellation does not spoil it."""

    @property
    def is_busy(self) -> bool:
        """Whether a request is on its way."""

    async def send(
        self, method: str, path: str, body: bytes, on_start: Callable[[], None]
    ) -> Response | NoResponse:
        """Send a request and return its response; network errors are values."""

    async def aclose(self) -> None:
        """Close the connection; the next request opens another one."""


def open_slot(server: Server, bounds: Bounds) -> Slot:
    """Return a slot that has no connection yet."""
    return DirectSlot(server, bounds) if server.is_direct else HttpxSlot(server, bounds)


class DirectSlot:
    """A slot over a connection of our own."""

    def __init__(self, server: Server, bounds: Bounds) -> None:
        self._server = server
        self._connection = Connection(server.place, bounds, tuple(keep_alive_options()))

    @property
    def is_busy(self) -> bool:
        """Whether a request is on its way."""
        return self._connection.is_busy

    async def send(
        self, method: str, path: str, body: bytes, on_start: Callable[[], None]
    ) -> Response | NoResponse:
        """Send a request and return its response; network errors are values."""
        head = b"%s%d\r\n\r\n" % (self._server.head(method, path), len(body))
        return await self._connection.send(head, body, on_start)

    async def aclose(self) -> None:
        """Close the connection; the next request opens another one."""
        self._connection.close()


class HttpxSlot:
    """A slot over a transport of httpx with one connection."""

    def __init__(self, server: Server, bounds: Bounds) -> None:
        self._server = server
        self._bounds = bounds
        self._transport = server.open_transport()
        self.is_busy = False

    async def send(
        self, method: str, path: str, body: bytes, on_start: Callable[[], None]
    ) -> Response | NoResponse:
        """Send a request and return its response; network errors are values.

        The transport is replaced after a failure, a timeout or a cancellation: when httpcore is
        interrupted while it takes its only connection back, it loses the connection, and every
        later request of the slot would wait for it forever.
        """
        content = Content(body)
        request = self._server.request(method, self._server.url(path), content)
        exchange = Exchange(self._transport, self._bounds)
        self.is_busy = True
        try:
            return await exchange.run(request, content, on_start)
        finally:
            try:
                if not exchange.is_clean:
                    await self.aclose()
            finally:
                self.is_busy = False

    async def aclose(self) -> None:
        """Close the connection; the next request opens another one."""
        failed, self._transport = self._transport, self._server.open_transport()
        await failed.aclose()
