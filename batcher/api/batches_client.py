"""Calls the Message Batches API over HTTP: one call in, one response out; no policy, no retries."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import BinaryIO
from urllib.parse import urlencode

from batcher.api.exchange import Content, Exchange
from batcher.api.key import Secret
from batcher.api.reading import Bounds
from batcher.api.result_lines import SLOWEST_BYTES_PER_S, ResultLines
from batcher.api.server import JSON, Server
from batcher.api.transport import TransportFactory
from batcher.core.answers.response import NoResponse, Response
from batcher.core.batches.results_path import BATCHES_PATH, batch_path, path_at
from batcher.core.job import ApiSection
from batcher.errors import BatcherError

PIECE_BYTES = 64 * 1024
PAGE_BATCHES = 1000
"""The most batches that a page of the list has."""
_JSON = {"accept": JSON}
_RESULTS = {"accept": f"application/x-jsonl, {JSON}", "accept-encoding": "gzip"}


class BatchesClient:
    """Creates, finds, cancels, reads and deletes batches, each call on a connection of its own.

    Calls are minutes apart, so a kept connection would save nothing. It would lose something: the
    server may close it while a batch is sent, and nobody knows then whether the batch exists.

    ``timeout_s`` bounds a call from connecting to the last byte of its response, except that moving
    a large body takes as long as it takes: at least 16 KiB a second on average, and never silent
    for more than ``idle_timeout_s``. Network errors are values, as in ``MessagesClient``: a create
    without a response may have made a batch, unless its NoResponse was not sent or ``is_cut``.
    Redirects are responses and not followed.
    Raises ConfigurationError for an address or header that must not be used.
    """

    def __init__(
        self,
        api: ApiSection,
        key: Secret | None,
        *,
        timeout_s: float,
        open_transport: TransportFactory | None = None,
    ) -> None:
        self._server = Server(api, key, timeout_s=timeout_s, open_transport=open_transport)
        self._base_url = api.base_url
        self._timeout_s = timeout_s
        self._idle_s = float(api.idle_timeout_s)

    async def create(self, body: BinaryIO, size: int) -> Response | NoResponse:
        """Create a batch from the first ``size`` bytes of a file, without reading it into memory.

        Raises BatcherError when the file cannot be read to there; then no batch was created.
        """
        content = FileContent(body, size, timeout_s=self._timeout_s, idle_s=self._idle_s)
        return await self._call("POST", BATCHES_PATH, content)

    async def list_batches(
        self,
        *,
        before_id: str | None = None,
        after_id: str | None = None,
        limit: int = PAGE_BATCHES,
    ) -> Response | NoResponse:
        """Get a page of the workspace's batches, newest first.

        ``before_id``: those newer than a batch; ``after_id``: those older than it.
        """
        named = {"limit": limit, "before_id": before_id, "after_id": after_id}
        query = urlencode({name: value for name, value in named.items() if value is not None})
        return await self._call("GET", f"{BATCHES_PATH}?{query}")

    async def retrieve(self, batch_id: str) -> Response | NoResponse:
        """Get a batch."""
        return await self._call("GET", batch_path(batch_id))

    async def cancel(self, batch_id: str) -> Response | NoResponse:
        """Ask to cancel a batch; what has begun may still be billed until the batch has ended."""
        return await self._call("POST", f"{batch_path(batch_id)}/cancel")

    async def delete(self, batch_id: str) -> Response | NoResponse:
        """Delete a batch that has ended, with its results."""
        return await self._call("DELETE", batch_path(batch_id))

    @asynccontextmanager
    async def results(
        self, batch_id: str, results_url: str | None = None
    ) -> AsyncIterator[ResultLines]:
        """Read the results of a batch that has ended.

        An address at another server than base_url's is never used, as such a server would get the
        key: the results are then read from the batch's own path below base_url.
        """
        path = None if results_url is None else path_at(self._base_url, results_url)
        url = (
            self._server.url(f"{batch_path(batch_id)}/results")
            if path is None
            else self._server.url_at_root(path)
        )
        content = Content()
        transport = self._server.open_transport()
        try:
            found = ResultLines(transport, timeout_s=self._timeout_s, idle_s=self._idle_s)
            await found.open(self._server.request("GET", url, content, _RESULTS), content)
            yield found
        finally:
            await transport.aclose()

    def __repr__(self) -> str:
        return f"<BatchesClient {self._server.address}>"

    async def _call(
        self, method: str, path: str, content: Content | None = None
    ) -> Response | NoResponse:
        content = content or Content()
        request = self._server.request(method, self._server.url(path), content, _JSON)
        transport = self._server.open_transport()
        try:
            exchange = Exchange(transport, Bounds(self._timeout_s, self._idle_s))
            return await exchange.run(request, content)
        finally:
            await transport.aclose()


class FileContent(Content):
    """The beginning of a file as the body of a request, piece by piece.

    The timeout of the exchange starts again with each piece that the connection has taken: a piece
    may take ``idle_s``, all together no longer than the slowest useful connection needs. After the
    last piece the server has ``timeout_s`` to respond.
    """

    def __init__(self, file: BinaryIO, size: int, *, timeout_s: float, idle_s: float) -> None:
        super().__init__()
        self._file = file
        self.size = size
        self._timeout_s = timeout_s
        self._idle_s = idle_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        now = asyncio.get_running_loop().time
        end = now() + self._timeout_s + self.size / SLOWEST_BYTES_PER_S
        self.was_requested = True
        left = self.size
        self._seek_start()
        while left:
            piece = self._read(min(PIECE_BYTES, left))
            left -= len(piece)
            self._wait_until(min(end, now() + self._idle_s))
            yield piece
        self._wait_until(now() + self._timeout_s)
        self.was_written = True

    def _wait_until(self, time: float) -> None:
        if self.deadline is not None:
            self.deadline.reschedule(time)

    def _seek_start(self) -> None:
        try:
            self._file.seek(0)
        except OSError as error:
            raise _unreadable(error.strerror) from None

    def _read(self, size: int) -> bytes:
        try:
            piece = self._file.read(size)
        except OSError as error:
            raise _unreadable(error.strerror) from None
        if not piece:
            raise _unreadable("it is shorter than it was")
        return piece


def _unreadable(reason: str | None) -> BatcherError:
    return BatcherError(
        f"the temporary file with the requests of a batch cannot be read: {reason}",
        hint="look at the disk of the state folder; no batch was created",
    )
