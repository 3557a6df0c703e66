"""One exchange over httpx: a request with its body, and the whole response as a value."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx

from batcher.api.faults import (
    ConnectionBusy,
    CouldNotConnect,
    NoConnectionInTime,
    NotHttp,
    ProxyRefused,
    TransportFailure,
    WriteFailed,
    body_fault,
    no_response,
)
from batcher.api.reading import Bounds, Reading, ignore_start
from batcher.api.response_reader import lower_case
from batcher.core.answers.response import NoResponse, Response

# The first matching class decides.
_FAILURES: tuple[tuple[type[Exception], type[Exception]], ...] = (
    (httpx.ConnectTimeout, NoConnectionInTime),
    (httpx.PoolTimeout, ConnectionBusy),
    (httpx.ProxyError, ProxyRefused),
    (httpx.ConnectError, CouldNotConnect),
    (httpx.TimeoutException, TimeoutError),
    (httpx.WriteError, WriteFailed),
    (httpx.ProtocolError, NotHttp),
    (httpx.TransportError, TransportFailure),
)


class Content(httpx.AsyncByteStream):
    """A request's body that knows whether the connection has requested it, and has taken all.

    ``deadline`` is the timeout of the exchange, once it runs.
    """

    def __init__(self, body: bytes = b"") -> None:
        self._body = body
        self.size = len(body)
        self.was_requested = False
        self.was_written = False
        self.deadline: asyncio.Timeout | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.was_requested = True
        yield self._body
        self.was_written = True

    def failure(self, error: Exception, started: float) -> NoResponse:
        """Return the failure of a request with this body, before a status line."""
        return no_response(
            as_failure(error),
            was_sent=self.was_requested,
            was_whole=self.was_written,
            latency_s=time.perf_counter() - started,
        )


@dataclass(slots=True)
class Exchange:
    """One request on an httpx transport, and its response to the last byte.

    ``is_clean`` is set when the connection can carry another request.
    """

    transport: httpx.AsyncBaseTransport
    bounds: Bounds
    is_clean: bool = False

    async def run(
        self,
        request: httpx.Request,
        content: Content,
        on_start: Callable[[], None] = ignore_start,
    ) -> Response | NoResponse:
        """Send a request whose stream is ``content``; network errors are values.

        ``on_start`` is called when the first event of a stream has arrived, and perhaps again.
        """
        started = time.perf_counter()
        reading: Reading | None = None
        fault: str | None = None
        try:
            async with asyncio.timeout(self.bounds.timeout_s) as deadline:
                content.deadline = deadline
                response = await self.transport.handle_async_request(request)
                reading = begin_reading(response, self.bounds, started, deadline, on_start)
                await finish(reading, response, deadline)
            self.is_clean = True
        except (httpx.TransportError, OSError) as error:
            if reading is None:
                return content.failure(error, started)
            fault = (
                None if reading.is_whole else body_fault(as_failure(error), is_idle=reading.is_idle)
            )
        return reading.response(fault)


def begin_reading(
    response: httpx.Response,
    bounds: Bounds,
    started: float,
    deadline: asyncio.Timeout,
    on_start: Callable[[], None] = ignore_start,
) -> Reading:
    """Return the reading of a response whose status has arrived."""
    end = deadline.when()
    assert end is not None  # noqa: S101 - for mypy
    headers = lower_case(response.headers.raw)
    return Reading(response.status_code, headers, bounds, started, end, on_start)


async def finish(reading: Reading, response: httpx.Response, deadline: asyncio.Timeout) -> None:
    """Read to the end, then release the connection, or close it if there are unread bytes."""
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - for mypy
    now = asyncio.get_running_loop().time
    try:
        deadline.reschedule(reading.wait_until(now()))
        async for data in response.stream:
            if not reading.feed(data):
                break
            deadline.reschedule(reading.wait_until(now()))
        reading.is_whole = True
    finally:
        await response.stream.aclose()


def as_failure(error: Exception) -> Exception:
    """Return an error of httpx as one of ours, which it causes."""
    for kind, failure in _FAILURES:
        if isinstance(error, kind):
            ours = failure()
            ours.__cause__ = error
            return ours
    return error
