"""One request on its way over a connection, and what has come back; no I/O."""

import asyncio
import time
from collections.abc import Callable

from batcher.api.faults import NotHttp, body_fault, no_response
from batcher.api.reading import Bounds, Reading
from batcher.api.response_reader import ResponseReader
from batcher.api.tls import PIECE_BYTES
from batcher.core.answers.response import NoResponse, Response


class Attempt:
    """The state of one exchange, which the connection moves on; ``ended`` is set at its end.

    ``wait_until`` is when it ends without more bytes, by the event loop's clock. ``taken`` counts
    the bytes that the operating system has taken, encrypted or not, and ``is_written`` says that
    these are all. ``is_clean``: the connection can carry another request.
    """

    __slots__ = (
        "_body",
        "_bounds",
        "_end",
        "_failure",
        "_fault",
        "_head",
        "_on_start",
        "_position",
        "_reader",
        "_reading",
        "_started",
        "ended",
        "is_clean",
        "is_written",
        "taken",
        "wait_until",
        "write_failure",
    )

    def __init__(
        self, head: bytes, body: bytes, bounds: Bounds, on_start: Callable[[], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.wait_until = self._end = loop.time() + bounds.timeout_s
        self.taken = 0
        self.is_written = False
        self.is_clean = False
        self.write_failure: OSError | None = None
        self._started = time.perf_counter()
        self._head = head
        self._body = body
        self._position = -1  # in the body, after the head
        self._bounds = bounds
        self._on_start = on_start
        self._reader = ResponseReader()
        self._reading: Reading | None = None
        self._failure: Exception = NotHttp()
        self._fault: str | None = None

    def next_piece(self) -> bytes | memoryview:
        """Return what is to be written next; nothing at the end."""
        body, start = self._body, self._position
        if start < 0:
            self._position = PIECE_BYTES
            return self._head + body[:PIECE_BYTES]
        self._position += PIECE_BYTES
        return memoryview(body)[start : self._position] if start < len(body) else b""

    def take(self, data: bytes, now: float) -> None:
        """Take bytes of the response."""
        if self.ended.done():
            self.is_clean = False
            return
        reader, reading = self._reader, self._reading
        body = reader.feed(data)
        if reading is None and reader.status:
            reading = self._reading = Reading(
                reader.status,
                reader.headers,
                self._bounds,
                self._started,
                self._end,
                self._on_start,
            )
        if reading is not None and body and not reading.feed(body):
            self.ended.set_result(None)
        elif reader.is_done:
            self.is_clean = reader.is_reusable and self.is_written
            self.ended.set_result(None)
        elif reader.is_broken:
            self.fail(NotHttp())
        elif reading is not None:
            self.wait_until = reading.wait_until(now)

    def take_end(self) -> None:
        """Take the end of the connection."""
        self.is_clean = False
        if self.ended.done():
            return
        if self.write_failure is not None:
            self.fail(self.write_failure)
            return
        self._reader.end()
        if self._reader.is_done:
            self.ended.set_result(None)
        else:
            self.fail(NotHttp())

    def fail(self, error: Exception) -> None:
        """End with a failure of the connection, or because the time is over."""
        self.is_clean = False
        if self.ended.done():
            return
        self._failure = error
        if self._reading is not None:
            self._fault = body_fault(error, is_idle=self._reading.is_idle)
        self.ended.set_result(None)

    def fail_with(self, bug: Exception) -> None:
        """End with an error of our own, which the sender raises."""
        self.is_clean = False
        if not self.ended.done():
            self.ended.set_exception(bug)

    def result(self) -> Response | NoResponse:
        """Return what came of it."""
        if self._reading is not None:
            return self._reading.response(self._fault)
        return self.failure(self._failure)

    def failure(self, error: Exception) -> NoResponse:
        """Return a failure before a status line."""
        return no_response(
            error,
            was_sent=self.taken > len(self._head),
            was_whole=self.is_written,
            latency_s=time.perf_counter() - self._started,
        )
