"""The results of a batch as they arrive: line by line, in bounded memory and bounded time."""

import asyncio
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing

import httpx

from batcher.api.body import inflater_for
from batcher.api.exchange import Content, as_failure, begin_reading, finish
from batcher.api.faults import body_fault
from batcher.api.reading import Bounds, Reading
from batcher.api.response_reader import lower_case
from batcher.core.answers.response import NoResponse, Response

MAX_LINE_BYTES = 32 * 1024 * 1024
MAX_LINES = 200_000
"""Twice the requests that a batch may have: what comes after that is no result of it."""
MAX_SKIPPED_BYTES = 64 * 1024 * 1024
SLOWEST_BYTES_PER_S = 16 * 1024
"""A connection that is slower on average is given up; each read may be silent for the idle time."""


class ResultLines:
    """The results of one batch, and how the reading of them ended.

    ``failure`` is what came instead of results: a response of another status than 200, or none.
    ``fault`` says after ``lines`` why they ended early, as that of a Response does; None: the
    response was whole. ``too_long`` counts lines of more than 32 MiB, which are left out.
    """

    def __init__(
        self, transport: httpx.AsyncBaseTransport, *, timeout_s: float, idle_s: float
    ) -> None:
        self._transport = transport
        self._timeout_s = timeout_s
        self._idle_s = idle_s
        self._response: httpx.Response | None = None
        self._splitter = LineSplitter(MAX_LINE_BYTES)
        self.failure: Response | NoResponse | None = None
        self.fault: str | None = None

    @property
    def too_long(self) -> int:
        """The number of lines that were left out because they are too long."""
        return self._splitter.too_long

    async def open(self, request: httpx.Request, content: Content) -> None:
        """Send the request, and read the response if it is none of results."""
        started = time.perf_counter()
        reading: Reading | None = None
        fault: str | None = None
        try:
            async with asyncio.timeout(self._timeout_s) as deadline:
                response = await self._transport.handle_async_request(request)
                if response.status_code == 200:
                    self._response = response
                    return
                bounds = Bounds(self._timeout_s, self._idle_s)
                reading = begin_reading(response, bounds, started, deadline)
                await finish(reading, response, deadline)
        except (httpx.TransportError, OSError) as error:
            if reading is None:
                self.failure = content.failure(error, started)
                return
            fault = body_fault(as_failure(error), is_idle=reading.is_idle)
        self.failure = reading.response(fault)

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield each whole line that is not blank, without its end; once."""
        response, self._response = self._response, None
        if response is None:
            return
        async with aclosing(self._decoded(response)) as pieces:
            async for piece in pieces:
                for line in self._splitter.feed(piece):
                    yield line
                if self._splitter.is_flooded:
                    self.fault = "client.answer_too_large"
                    return
        last = self._splitter.end() if self.fault is None else None
        if last is not None:
            yield last

    async def _decoded(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        inflater, is_known = inflater_for(lower_case(response.headers.raw))
        if not is_known:
            self.fault = "client.undecodable"
            return
        async with aclosing(self._pieces(response)) as pieces:
            async for data in pieces:
                try:
                    for piece in inflater.feed(data) if inflater else (data,):
                        yield piece
                except zlib.error:
                    self.fault = "client.undecodable"
                    return
        if self.fault is None and inflater is not None and not inflater.is_whole:
            self.fault = "client.cut_short"

    async def _pieces(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        """Yield the body as it arrives; the time that its reader takes does not count."""
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - for mypy
        pieces = aiter(response.stream)
        left_s, is_idle = self._timeout_s, False
        try:
            while True:
                started = time.perf_counter()
                is_idle = self._idle_s <= left_s
                async with asyncio.timeout(min(self._idle_s, left_s)):
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                left_s += len(piece) / SLOWEST_BYTES_PER_S - (time.perf_counter() - started)
                yield piece
        except (httpx.TransportError, OSError) as error:
            self.fault = body_fault(as_failure(error), is_idle=is_idle)
        finally:
            await response.stream.aclose()


class LineSplitter:
    r"""Splits bytes at \n alone, and holds no more than one line of at most ``max_bytes``."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._pieces: list[bytes] = []
        self._size = 0
        self._lines = 0
        self._skipped = 0
        self.too_long = 0

    @property
    def is_flooded(self) -> bool:
        """Whether there have been more lines, or more bytes of long lines, than results have."""
        return self._lines > MAX_LINES or self._skipped > MAX_SKIPPED_BYTES

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that end in the data, but for blank ones."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0 and not self.is_flooded:
            self._hold(data[start:end])
            start = end + 1
            line = self._taken()
            if line is not None:
                yield line
        self._hold(data[start:])

    def end(self) -> bytes | None:
        """Return the last line, if it has no end."""
        return self._taken()

    def _hold(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= self._max_bytes:
            self._pieces.append(data)
        else:
            self._skipped += len(data) + sum(map(len, self._pieces))
            self._pieces.clear()

    def _taken(self) -> bytes | None:
        is_too_long = self._size > self._max_bytes
        line = b"".join(self._pieces).strip(b" \t\r")
        self._pieces.clear()
        self._size = 0
        self._lines += 1
        self.too_long += is_too_long
        return None if is_too_long or not line else line
