"""One exchange over HTTP: a request with its body, and the whole response as a value."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import httpx

from batcher.api.body import Body
from batcher.api.faults import body_fault, no_response
from batcher.core.answers.response import NoResponse, Response

MAX_BODY_BYTES = 32 * 1024 * 1024
_AFTER_STREAM_S = 2.0  # how long a complete stream may take to end its body


def ignore_start() -> None:
    """Do nothing when a response starts."""


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
            error,
            was_sent=self.was_requested,
            was_whole=self.was_written,
            latency_s=time.perf_counter() - started,
        )


@dataclass(slots=True)
class Exchange:
    """One request on a transport, and its response to the last byte.

    ``timeout_s`` bounds the whole of it, from connecting on, and ``idle_s`` each time without bytes
    inside the response. ``is_clean`` is set when the connection can carry another request.
    """

    transport: httpx.AsyncBaseTransport
    timeout_s: float
    idle_s: float
    max_body_bytes: int = MAX_BODY_BYTES
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
            async with asyncio.timeout(self.timeout_s) as deadline:
                content.deadline = deadline
                response = await self.transport.handle_async_request(request)
                reading = Reading(response, self.max_body_bytes, on_start)
                await reading.finish(started, deadline, self.idle_s)
            self.is_clean = True
        except (httpx.TransportError, OSError) as error:
            if reading is None:
                return content.failure(error, started)
            fault = None if reading.is_whole else body_fault(error, is_idle=reading.is_idle)
        return reading.response(started, fault)


class Reading:
    """A response whose status has arrived and whose body is being read."""

    def __init__(
        self,
        response: httpx.Response,
        max_body_bytes: int = MAX_BODY_BYTES,
        on_start: Callable[[], None] = ignore_start,
    ) -> None:
        self._on_start = on_start
        self._status = response.status_code
        self._headers = lower_case(response.headers.raw)
        self._stream = response.stream
        self._body = Body(self._status, self._headers, max_body_bytes)
        self._ttft_s: float | None = None
        self.is_whole = False
        self.is_idle = False

    async def finish(self, started: float, deadline: asyncio.Timeout, idle_s: float) -> None:
        """Read to the end, then release the connection, or close it if there are unread bytes."""
        assert isinstance(self._stream, httpx.AsyncByteStream)  # noqa: S101 - for mypy
        end = deadline.when()
        assert end is not None  # noqa: S101 - for mypy
        try:
            self._wait_at_most(idle_s, end, deadline)
            async for data in self._stream:
                if not self._body.feed(data):
                    break
                fold = self._body.fold
                if fold is not None and fold.has_started:
                    self._on_start()
                if self._ttft_s is None and fold is not None and fold.has_content:
                    self._ttft_s = time.perf_counter() - started
                if fold is not None and fold.is_complete:
                    # The message is complete: the server gets little time to end the body.
                    end = min(end, asyncio.get_running_loop().time() + _AFTER_STREAM_S)
                self._wait_at_most(idle_s, end, deadline)
            self.is_whole = True
        finally:
            await self._stream.aclose()

    def response(self, started: float, fault: str | None) -> Response:
        """Return what has arrived as a value."""
        body, fault = self._body.result(fault)
        return Response(
            status=self._status,
            headers=self._headers,
            body=body,
            latency_s=time.perf_counter() - started,
            ttft_s=self._ttft_s,
            fault=fault,
            fault_detail=self._body.fault_detail,
        )

    def _wait_at_most(self, idle_s: float, end: float, deadline: asyncio.Timeout) -> None:
        """Set the deadline to ``idle_s`` from now, or to ``end`` if that is sooner."""
        idle_end = asyncio.get_running_loop().time() + idle_s
        self.is_idle = idle_end < end
        deadline.reschedule(min(idle_end, end))


def lower_case(raw: list[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Return headers by lower-case name; values of a repeated header are joined with commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
