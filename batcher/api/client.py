"""Calls the Messages API over HTTP: one attempt in, one response out; no policy, no retries."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpx

from batcher import __version__
from batcher.api.address import server_address
from batcher.api.body import Body
from batcher.api.faults import OPEN_FILES, body_fault, no_response
from batcher.api.key import Secret, read_key
from batcher.api.transport import TransportFactory, transport_factory
from batcher.core.answers.response import NoResponse, Response
from batcher.core.job import ApiSection
from batcher.core.job.server import header_mistakes
from batcher.errors import ConfigurationError

MAX_BODY_BYTES = 32 * 1024 * 1024
_CONNECT_TIMEOUT_S = 10.0
_AFTER_STREAM_S = 2.0  # how long a complete stream may take to end its body


def _ignore_start() -> None:
    """Do nothing when a response starts."""


class MessagesClient:
    """Sends requests over a fixed number of connections, one for each worker.

    A slot (0 to ``connections`` - 1) is one connection and carries one request at a time.
    ``timeout_s`` bounds a whole attempt, from connecting to the last byte; the API section's
    ``idle_timeout_s`` bounds each time without bytes inside a response. Network errors are values
    (``faults`` lists them), redirects are responses and not followed, and cancelling closes the
    connection.
    Raises ConfigurationError for an address or header that must not be used.
    """

    def __init__(
        self,
        api: ApiSection,
        key: Secret | None,
        *,
        connections: int,
        timeout_s: float,
        max_body_bytes: int = MAX_BODY_BYTES,
        open_transport: TransportFactory | None = None,
    ) -> None:
        server = server_address(api.base_url, allow_http=api.allow_http)
        self._server = str(server)
        self._headers = _headers(api, key, server)
        self._is_streamed = api.stream
        self._timeout_s = timeout_s
        self._idle_s = float(api.idle_timeout_s)
        self._max_body_bytes = max_body_bytes
        # The timeout of the whole attempt bounds reading and writing, so httpx needs no other.
        connect_s = min(_CONNECT_TIMEOUT_S, timeout_s)
        self._extensions = {"timeout": {"connect": connect_s, "pool": connect_s}}
        self._messages = httpx.URL(f"{self._server}/v1/messages")
        self._open_transport = open_transport or transport_factory(server)
        self._transports = [self._open_transport() for _ in range(connections)]
        self._busy: set[int] = set()

    @property
    def connections(self) -> int:
        """The number of slots."""
        return len(self._transports)

    async def send(
        self, slot: int, body: bytes, on_start: Callable[[], None] = _ignore_start
    ) -> Response | NoResponse:
        """Make one attempt with the JSON of a request, streamed if the job says so.

        ``on_start`` is called when the first event of a stream has arrived, and perhaps again.
        """
        if self._is_streamed:
            body = b'{"stream":true,' + body[1:]
        return await self._attempt(slot, "POST", self._messages, body, on_start)

    async def count_tokens(self, slot: int, body: bytes) -> Response | NoResponse:
        """Get the input tokens of a request; free. ``body`` may only have parameters that count."""
        url = httpx.URL(f"{self._messages}/count_tokens")
        return await self._attempt(slot, "POST", url, body)

    async def list_models(self, slot: int) -> Response | NoResponse:
        """Get the models that are not retired; free."""
        return await self._attempt(slot, "GET", httpx.URL(f"{self._server}/v1/models?limit=1000"))

    async def model(self, slot: int, model_id: str) -> Response | NoResponse:
        """Get one model; free."""
        url = httpx.URL(f"{self._server}/v1/models/{quote(model_id, safe='')}")
        return await self._attempt(slot, "GET", url)

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._transports:
            await transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<MessagesClient {self._server}, {len(self._transports)} connections>"

    async def _attempt(
        self,
        slot: int,
        method: str,
        url: httpx.URL,
        body: bytes = b"",
        on_start: Callable[[], None] = _ignore_start,
    ) -> Response | NoResponse:
        self._busy.add(slot)
        try:
            result = await self._exchange(slot, method, url, body, on_start)
        finally:
            self._busy.discard(slot)
        if isinstance(result, NoResponse) and result.error_type == OPEN_FILES:
            await self._close_idle()
        return result

    async def _exchange(
        self, slot: int, method: str, url: httpx.URL, body: bytes, on_start: Callable[[], None]
    ) -> Response | NoResponse:
        started = time.perf_counter()
        content = _Content(body)
        request = httpx.Request(
            method,
            url,
            headers=[*self._headers, (b"content-length", b"%d" % len(body))],
            stream=content,
            extensions=self._extensions,
        )
        reading: _Reading | None = None
        fault: str | None = None
        is_clean = False
        try:
            async with asyncio.timeout(self._timeout_s) as deadline:
                response = await self._transports[slot].handle_async_request(request)
                reading = _Reading(response, self._max_body_bytes, on_start)
                await reading.finish(started, deadline, self._idle_s)
            is_clean = True
        except (httpx.TransportError, OSError) as error:
            if reading is None:
                latency_s = time.perf_counter() - started
                was_sent, was_whole = content.was_requested, content.was_written
                return no_response(
                    error, was_sent=was_sent, was_whole=was_whole, latency_s=latency_s
                )
            fault = None if reading.is_whole else body_fault(error, is_idle=reading.is_idle)
        finally:
            if not is_clean:
                await self._renew(slot)
        return reading.response(started, fault)

    async def _close_idle(self) -> None:
        """Close the connections that no request uses, because no file is left for another one."""
        for slot in set(range(len(self._transports))) - self._busy:
            await self._renew(slot)

    async def _renew(self, slot: int) -> None:
        """Replace the transport of a slot and close its connection.

        It is done after a failure, a timeout or a cancellation:
        when httpcore is interrupted while it takes its only connection back, it loses the
        connection, and every later request of the slot would wait for it forever.
        """
        failed, self._transports[slot] = self._transports[slot], self._open_transport()
        await failed.aclose()


def open_access(api: ApiSection, environ: Mapping[str, str]) -> Secret | None:
    """Read the key, after checking that a client can be made; nothing is sent.

    Raises ConfigurationError for an address, header, proxy, certificate or key that cannot be used.
    """
    MessagesClient(api, None, connections=0, timeout_s=1)
    return read_key(api, environ)


class _Content(httpx.AsyncByteStream):
    """A request's body that knows whether the connection has requested it, and has taken all."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.was_requested = False
        self.was_written = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.was_requested = True
        yield self._body
        self.was_written = True


class _Reading:
    """A response whose status has arrived and whose body is being read."""

    def __init__(
        self, response: httpx.Response, max_body_bytes: int, on_start: Callable[[], None]
    ) -> None:
        self._on_start = on_start
        self._status = response.status_code
        self._headers = _lower_case(response.headers.raw)
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


def _headers(api: ApiSection, key: Secret | None, server: httpx.URL) -> list[tuple[bytes, bytes]]:
    """Return the headers of each request; the job's headers cannot replace batcher's own."""
    headers = {
        "host": server.netloc.decode("ascii"),
        "accept": "application/json, text/event-stream" if api.stream else "application/json",
        # Responses are small: compression costs both sides more than it saves.
        "accept-encoding": "identity",
        "content-type": "application/json",
        "user-agent": f"batcher/{__version__}",
        "anthropic-version": api.version,
    }
    for mistake in header_mistakes(api.headers):
        raise ConfigurationError(mistake.message, hint=mistake.hint)
    headers |= {name.lower(): value for name, value in api.headers.items()}
    if key is not None and api.auth != "none":
        is_bearer = api.auth == "bearer"
        name = "authorization" if is_bearer else "x-api-key"
        headers[name] = f"Bearer {key.reveal()}" if is_bearer else key.reveal()
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _lower_case(raw: list[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Return headers by lower-case name; values of a repeated header are joined with commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
