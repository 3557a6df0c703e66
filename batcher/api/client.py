"""Calls the Messages API over HTTP: one attempt in, one response out; no policy, no retries."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self
from urllib.parse import quote

from batcher.api.faults import OPEN_FILES
from batcher.api.key import Secret, read_key
from batcher.api.reading import MAX_BODY_BYTES, Bounds, ignore_start
from batcher.api.server import Server
from batcher.api.slot import open_slot
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
        self._is_streamed = api.stream
        bounds = Bounds(timeout_s, float(api.idle_timeout_s), max_body_bytes)
        self._slots = [open_slot(self._server, bounds) for _ in range(connections)]

    @property
    def connections(self) -> int:
        """The number of slots."""
        return len(self._slots)

    async def send(
        self, slot: int, body: bytes, on_start: Callable[[], None] = ignore_start
    ) -> Response | NoResponse:
        """Make one attempt with the JSON of a request, streamed if the job says so.

        ``on_start`` is called when the first event of a stream has arrived, and perhaps again.
        """
        if self._is_streamed:
            body = b'{"stream":true,' + body[1:]
        return await self._attempt(slot, "POST", "/v1/messages", body, on_start)

    async def count_tokens(self, slot: int, body: bytes) -> Response | NoResponse:
        """Get the input tokens of a request; free. ``body`` may only have parameters that count."""
        return await self._attempt(slot, "POST", "/v1/messages/count_tokens", body)

    async def list_models(self, slot: int) -> Response | NoResponse:
        """Get the models that are not retired; free."""
        return await self._attempt(slot, "GET", "/v1/models?limit=1000")

    async def model(self, slot: int, model_id: str) -> Response | NoResponse:
        """Get one model; free."""
        return await self._attempt(slot, "GET", f"/v1/models/{quote(model_id, safe='')}")

    async def aclose(self) -> None:
        """Close all connections."""
        for slot in self._slots:
            await slot.aclose()

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
        return f"<MessagesClient {self._server.address}, {len(self._slots)} connections>"

    async def _attempt(
        self,
        slot: int,
        method: str,
        path: str,
        body: bytes = b"",
        on_start: Callable[[], None] = ignore_start,
    ) -> Response | NoResponse:
        result = await self._slots[slot].send(method, path, body, on_start)
        if isinstance(result, NoResponse) and result.error_type == OPEN_FILES:
            await self._close_idle()
        return result

    async def _close_idle(self) -> None:
        """Close the connections that no request uses, because no file is left for another one."""
        for slot in self._slots:
            if not slot.is_busy:
                await slot.aclose()


def open_access(api: ApiSection, environ: Mapping[str, str]) -> Secret | None:
    """Read the key, after checking that a client can be made; nothing is sent.

    Raises ConfigurationError for an address, header, proxy, certificate or key that cannot be used.
    """
    MessagesClient(api, None, connections=0, timeout_s=1)
    return read_key(api, environ)
