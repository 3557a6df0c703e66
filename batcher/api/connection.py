"""One keep-alive connection to a server, which carries one request at a time."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from batcher.api.attempt import Attempt
from batcher.api.faults import ConnectionBusy, TransportFailure
from batcher.api.opening import Place, open_socket
from batcher.api.reading import Bounds, ignore_start
from batcher.api.tls import PIECE_BYTES, Tls
from batcher.core.answers.response import NoResponse, Response

# Common servers close an idle connection after 5 s. We close it earlier: a request that is sent
# while the server closes the connection has an unknown billing status.
IDLE_S = 4.0


class Connection:
    """A connection that opens when it is needed, and again after a failure or a cancellation.

    The socket itself is read and written, not an asyncio transport: that throws away what has
    arrived when writing fails, and a server may answer (413) and reset the connection while a large
    request is still being sent. A kept connection with anything to read is closed: an extra
    response of a faulty server must not become the response to the next request.
    """

    def __init__(self, place: Place, bounds: Bounds, options: tuple[Any, ...] = ()) -> None:
        self._place = place
        self._bounds = bounds
        self._options = options
        self._socket: socket.socket | None = None
        self._tls: Tls | None = None
        self._loop: asyncio.AbstractEventLoop
        self._timer: asyncio.TimerHandle | None = None
        self._kept_until = 0.0
        self._attempt: Attempt | None = None
        self._unsent: bytes | memoryview = b""
        self._waits_to_write = False
        self._is_busy = False

    @property
    def is_busy(self) -> bool:
        """Whether a request is on its way."""
        return self._is_busy

    async def send(
        self, head: bytes, body: bytes, on_start: Callable[[], None] = ignore_start
    ) -> Response | NoResponse:
        """Send a request and return its response; network errors are values."""
        attempt = Attempt(head, body, self._bounds, on_start)
        if self._is_busy:
            return attempt.failure(ConnectionBusy())
        self._is_busy = True
        try:
            if not self._is_kept():
                try:
                    await self._open(attempt.wait_until)
                except (TransportFailure, TimeoutError) as error:
                    return attempt.failure(error)
            self._attempt = attempt
            self._write()
            self._expect(attempt.wait_until)
            await attempt.ended
        finally:
            self._attempt = None
            self._is_busy = False
            if attempt.is_clean:
                self._kept_until = self._loop.time() + IDLE_S
            else:
                self.close()
        return attempt.result()

    def close(self) -> None:
        """Close the connection; a request that is on its way fails."""
        connection, self._socket, self._tls = self._socket, None, None
        if connection is not None:
            self._loop.remove_reader(connection)
            self._wait_to_write(connection, waits=False)
            connection.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._attempt is not None:
            self._attempt.fail(TransportFailure())

    def _is_kept(self) -> bool:
        """Whether there is an open connection; closes one that is of no more use."""
        if self._socket is None:
            return False
        if self._loop.time() > self._kept_until:
            self.close()
        else:
            self._read()
        return self._socket is not None

    async def _open(self, end: float) -> None:
        self._loop = asyncio.get_running_loop()
        async with asyncio.timeout_at(end):
            self._socket, self._tls = await open_socket(self._place, self._options)
        self._unsent = b""
        self._loop.add_reader(self._socket, self._read)

    def _write(self) -> None:
        """Write until the operating system takes no more; what has failed is only noted."""
        attempt, connection = self._attempt, self._socket
        if attempt is None or connection is None or attempt.write_failure is not None:
            return
        waits = False
        try:
            while True:
                self._unsent = unsent = self._unsent or self._next_bytes(attempt)
                if not unsent:
                    break
                taken = connection.send(unsent)
                attempt.taken += taken
                self._unsent = memoryview(unsent)[taken:]
            attempt.is_written = True
        except (BlockingIOError, InterruptedError):
            waits = True
        except OSError as error:
            attempt.write_failure = error
        self._wait_to_write(connection, waits=waits)

    def _next_bytes(self, attempt: Attempt) -> bytes | memoryview:
        piece = attempt.next_piece()
        if self._tls is None:
            return piece
        if piece:
            self._tls.encrypt(piece)
        return self._tls.outgoing.read()

    def _wait_to_write(self, connection: socket.socket, *, waits: bool) -> None:
        if waits and not self._waits_to_write:
            self._loop.add_writer(connection, self._write)
        elif self._waits_to_write and not waits:
            self._loop.remove_writer(connection)
        self._waits_to_write = waits

    def _read(self) -> None:
        """Take what has arrived; without a request, nothing may."""
        if self._socket is None:
            return
        error: OSError | None = None
        try:
            data = self._socket.recv(PIECE_BYTES)
            is_end = not data
            if self._tls is not None:
                data = self._tls.decrypt(data)
                is_end = is_end or self._tls.has_ended
        except (BlockingIOError, InterruptedError):
            return
        except OSError as failure:
            data, is_end, error = b"", True, failure
        if self._attempt is not None:
            self._pass_on(self._attempt, data, error, is_end=is_end)
        elif data or is_end:
            self.close()

    def _pass_on(
        self, attempt: Attempt, data: bytes, error: OSError | None, *, is_end: bool
    ) -> None:
        try:
            if data:
                attempt.take(data, self._loop.time())
            if error is not None:
                attempt.fail(error)
            elif is_end:
                attempt.take_end()
        except Exception as bug:  # noqa: BLE001 - the sender raises it, where it can be seen
            attempt.fail_with(bug)
        self._expect(attempt.wait_until)

    def _expect(self, when: float) -> None:
        """Look at the attempt at a time, or sooner: a timer that is set already is kept."""
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        attempt = self._attempt
        if attempt is None:
            return
        if self._loop.time() < attempt.wait_until:
            self._expect(attempt.wait_until)
        else:
            attempt.fail(TimeoutError())
