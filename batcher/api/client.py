"""Calls the Messages API over HTTP: one attempt in, one response out; no policy, no retries."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpx

from batcher.api.exchange import MAX_BODY_BYTES, Content, Exchange, ignore_start
from batcher.api.faults import OPEN_FILES
from batcher.api.key import Secret, read_key
from batcher.api.server import Server
from batcher.api.transport import TransportFactory
from batcher.core.answers.response import NoResponse, Response
from batcher.core.job import ApiSection


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
        self._server = Server(api, key, timeout_s=timeout_s, open_transport=open_transport)
        self._messages = self._server.url("/v1/messages")
        self._is_streamed = api.stream
        self._timeout_s = timeout_s
        self._idle_s = float(api.idle_timeout_s)
        self._max_body_bytes = max_body_bytes
        self._transports = [self._server.open_transport() for _ in range(connections)]
        self._busy: set[int] = set()

    @property
    def connections(self) -> int:
        """The number of slots."""
        return len(self._transports)

    async def send(
        self, slot: int, body: bytes, on_start: Callable[[], None] = ignore_start
    ) -> Response | NoResponse:
        """Make one attempt with the JSON of a request, streamed if the job says so.

        ``on_start`` is called when the first event of a stream has arrived, and perhaps again.
        """
        if self._is_streamed:
            body = b'{"stream":true,' + body[1:]
        return await self._attempt(slot, "POST", self._messages, body, on_start)

    async def count_tokens(self, slot: int, body: bytes) -> Response | NoResponse:
        """Get the input tokens of a request; free. ``body`` may only have parameters that count."""
        url = self._server.url("/v1/messages/count_tokens")
        return await self._attempt(slot, "POST", url, body)

    async def list_models(self, slot: int) -> Response | NoResponse:
        """Get the models that are not retired; free."""
        return await self._attempt(slot, "GET", self._server.url("/v1/models?limit=1000"))

    async def model(self, slot: int, model_id: str) -> Response | NoResponse:
        """Get one model; free."""
        url = self._server.url(f"/v1/models/{quote(model_id, safe='')}")
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
        return f"<MessagesClient {self._server.address}, {len(self._transports)} connections>"

    async def _attempt(
        self,
        slot: int,
        method: str,
        url: httpx.URL,
        body: bytes = b"",
        on_start: Callable[[], None] = ignore_start,
    ) -> Response | NoResponse:
        content = Content(body)
        request = self._server.request(method, url, content)
        exchange = Exchange(
            self._transports[slot], self._timeout_s, self._idle_s, self._max_body_bytes
        )
        self._busy.add(slot)
        try:
            result = await exchange.run(request, content, on_start)
        finally:
            try:
                if not exchange.is_clean:
                    await self._renew(slot)
            finally:
                self._busy.discard(slot)
        if isinstance(result, NoResponse) and result.error_type == OPEN_FILES:
            await self._close_idle()
        return result

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
        failed, self._transports[slot] = self._transports[slot], self._server.open_transport()
        await failed.aclose()


def open_access(api: ApiSection, environ: Mapping[str, str]) -> Secret | None:
    """Read the key, after checking that a client can be made; nothing is sent.

    Raises ConfigurationError for an address, header, proxy, certificate or key that cannot be used.
    """
    MessagesClient(api, None, connections=0, timeout_s=1)
    return read_key(api, environ)
