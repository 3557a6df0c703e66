"""One keep-alive connection: h11 parses and writes HTTP, asyncio carries the bytes.

A handler gets each whole request as an ``Exchange`` on which it responds. It is cancelled when its
client disconnects, so it must update the ledger in a ``finally``. A ``Cutter`` may reset a request
when its body begins to arrive.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import h11

from batcher.simulator.api_error import ApiError
from batcher.simulator.wire.body_buffer import BodyBuffer, BodyFile, BodySizes

MAX_HEADER_BYTES = 65_536
LINGER_ZERO = struct.pack("ii", 1, 0)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request, with header names in lower case; a body that is too large is dropped.

    The body of a path that may be very large is in ``file`` instead.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    is_too_large: bool = False
    file: BodyFile | None = None


Handler = Callable[["Exchange"], Awaitable[None]]
Cutter = Callable[[str, bytes], bytes | None]
"""Decides from its path and the first piece of its body whether to reset a request."""


class Exchange:
    """One request and the ways to respond to it, valid or broken.

    ``is_written`` becomes true when the last byte of a valid response has reached the socket.
    """

    def __init__(self, request: Request, connection: "Connection") -> None:
        self.request = request
        self.is_written = False
        self.has_begun = False
        self._connection = connection

    async def reply(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send a whole response in one write."""
        all_headers = {**headers, "content-length": str(len(body))}
        await self._send(
            h11.Response(status_code=status, headers=list(all_headers.items())),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )
        self._finish()

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send status and headers; without a content-length, the body is chunked."""
        await self._send(h11.Response(status_code=status, headers=list(headers.items())))

    async def write(self, data: bytes) -> None:
        """Send a piece of the body and wait until the socket has accepted it."""
        await self._send(h11.Data(data=data))

    async def write_raw(self, data: bytes) -> None:
        """Send any bytes, valid HTTP or not, and wait until the socket has accepted them."""
        self.has_begun = True
        await self._connection.send_raw(data)

    async def end(self) -> None:
        """Finish the body."""
        await self._send(h11.EndOfMessage())
        self._finish()

    def cut(self) -> None:
        """Close the connection in the middle of the response."""
        self._connection.transport.close()

    def reset(self) -> None:
        """Break the connection so that the client sees a reset."""
        self._connection.reset()

    def take_file(self) -> BodyFile | None:
        """Return the file with the body; from now on the caller must close it."""
        return self._connection.body.release_file()

    async def until_disconnected(self) -> None:
        """Wait until the client disconnects, which cancels the handler."""
        await asyncio.get_running_loop().create_future()

    def _finish(self) -> None:
        # If the client has just disconnected, only the transport knows it so far.
        self.is_written = not self._connection.transport.is_closing()

    async def _send(self, *events: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        self.has_begun = True
        await self._connection.send(*events)


class Connection(asyncio.Protocol):
    """The protocol of one socket; ``live`` is the server's set of open connections."""

    transport: asyncio.Transport

    def __init__(
        self, handler: Handler, live: set["Connection"], sizes: BodySizes, cutter: Cutter
    ) -> None:
        self._handler = handler
        self._cutter = cutter
        self._live = live
        self._sizes = sizes
        self._http = h11.Connection(h11.SERVER, MAX_HEADER_BYTES)
        self._head: h11.Request | None = None
        self.body = BodyBuffer(sizes, "")
        self._task: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The running handler, if any."""
        return self._task

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Buffer nothing in this process, so that written bytes have reached the socket."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        transport.set_write_buffer_limits(high=0)
        self.transport = transport
        self._live.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Cancel the handler: the client or the server has closed the connection."""
        self._live.discard(self)
        if self._task is not None:
            self._task.cancel()
        else:
            self.body.close()

    def pause_writing(self) -> None:
        """Make writers wait, because the socket's buffer is full."""
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Let writers continue, because the socket has accepted everything."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def data_received(self, data: bytes) -> None:
        """Read up to the next whole request."""
        self._http.receive_data(data)
        if self._task is None:
            self._read()

    async def send(self, *events: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        """Write events and wait until the socket has accepted them."""
        await self.send_raw(b"".join([self._http.send(event) or b"" for event in events]))

    async def send_raw(self, data: bytes) -> None:
        """Write bytes and wait until the socket has accepted them."""
        self.transport.write(data)
        if self._drained is not None:
            await self._drained

    def reset(self) -> None:
        """Break the connection so that the client sees a reset."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        self.transport.abort()

    def _read(self) -> None:
        try:
            while self._read_event(self._http.next_event()):
                pass
        except h11.RemoteProtocolError as error:
            self._refuse(error)

    def _read_event(self, event: object) -> bool:
        """Process one event; return False when there is nothing more to read for now."""
        if isinstance(event, h11.Request):
            self._head, self.body = event, BodyBuffer(self._sizes, _path(event))
        elif isinstance(event, h11.Data):
            last_words = None if self.body.size else self._last_words(event.data)
            if last_words is not None:
                self.transport.write(last_words)
                self.reset()
                return False
            self.body.append(event.data)
        elif isinstance(event, h11.EndOfMessage):
            self._task = asyncio.get_running_loop().create_task(self._serve(self._request()))
            return False
        elif isinstance(event, h11.ConnectionClosed):
            self.transport.close()
            return False
        else:
            if self._http.they_are_waiting_for_100_continue:
                response = h11.InformationalResponse(status_code=100, headers=[])
                self.transport.write(self._http.send(response) or b"")
            return False
        return True

    def _last_words(self, data: bytes | bytearray) -> bytes | None:
        """Return what is sent before a reset when the body begins to arrive; None: no reset."""
        assert self._head is not None  # noqa: S101
        return None if self.body.is_too_large else self._cutter(_path(self._head), bytes(data))

    def _request(self) -> Request:
        head, body = self._head, self.body
        assert head is not None  # noqa: S101
        query = head.target.decode("ascii", "replace").partition("?")[2]
        headers = {k.decode("ascii"): v.decode("latin-1") for k, v in head.headers}
        method = head.method.decode()
        return Request(method, _path(head), query, headers, body.data, body.is_too_large, body.file)

    async def _serve(self, request: Request) -> None:
        exchange = Exchange(request, self)
        try:
            await self._handler(exchange)
        except asyncio.CancelledError:
            self.transport.abort()
            raise
        except Exception:
            log.exception("the simulator failed on %s %s", request.method, request.path)
            await self._fail(exchange)
        finally:
            self.body.close()
        self._task = None
        self._next()

    async def _fail(self, exchange: Exchange) -> None:
        if exchange.has_begun:
            exchange.cut()
        else:
            headers = {"content-type": "application/json"}
            await exchange.reply(500, headers, ApiError(500).body("req_simulator_bug"))

    def _next(self) -> None:
        if self.transport.is_closing():
            return
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self._read()
        else:
            self.transport.close()

    def _refuse(self, error: h11.RemoteProtocolError) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = ApiError(error.error_status_hint, str(error)).body("req_unreadable")
            headers = [("content-length", str(len(body))), ("connection", "close")]
            response = h11.Response(status_code=error.error_status_hint, headers=headers)
            self.transport.write(self._http.send(response) or b"")
            self.transport.write(self._http.send(h11.Data(data=body)) or b"")
        self.transport.close()


def _path(head: h11.Request) -> str:
    return head.target.decode("ascii", "replace").partition("?")[0]
