"""The simulator as a server, in an event loop or in its own thread."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any

from batcher.simulator.billing.ledger import Entry, Ledger
from batcher.simulator.endpoints.batches import PATH as BATCHES_PATH
from batcher.simulator.endpoints.router import answer_request, cuts_off
from batcher.simulator.endpoints.service import Service
from batcher.simulator.settings import Settings
from batcher.simulator.wire.body_buffer import BodySizes
from batcher.simulator.wire.connection import Connection, Exchange

BACKLOG = 1_024


class Simulator:
    """An asynchronous context manager that listens while it is open.

    Leaving it cuts off the requests in progress; the ledger still records each of them.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.service = Service(self.settings)
        self._server: asyncio.Server | None = None
        self._live: set[Connection] = set()
        self._url = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._processing: asyncio.Task[None] | None = None
        self._thread = 0

    @property
    def url(self) -> str:
        """The base URL; empty before the server listens."""
        return self._url

    @property
    def ledger(self) -> Ledger:
        """The record of all requests; while the server runs, only its event loop may read it."""
        return self.service.ledger

    def totals(self) -> dict[str, Any]:
        """Return the ledger's totals with all responses sent so far; callable from any thread."""
        self._wait_for_ledger()
        return self.ledger.totals()

    def entries(self) -> tuple[Entry, ...]:
        """Return the ledger's entries so far; callable from any thread; needs ``keep_requests``."""
        self._wait_for_ledger()
        return tuple(self.ledger.entries)

    def batches(self) -> list[dict[str, Any]]:
        """Return what became of each batch; callable from any thread."""
        self._wait_for_ledger()
        return self.service.batches.records()

    def advance(self, seconds: float) -> None:
        """Advance the clock of the batches and process what is due; callable from other threads."""
        if self._loop is None:
            raise RuntimeError("the simulator does not run")
        asyncio.run_coroutine_threadsafe(self._advance(seconds), self._loop).result()

    async def _advance(self, seconds: float) -> None:
        self.service.batches.clock.advance(seconds)
        self.service.batches.processing.wake()
        await self.service.batches.processing.catch_up()

    def _wait_for_ledger(self) -> None:
        # A client may have read a response before the handler that wrote it has finished.
        loop = self._loop
        if loop is None or not loop.is_running() or threading.get_ident() == self._thread:
            return
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()

    async def __aenter__(self) -> "Simulator":
        settings = self.settings
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._server = await self._loop.create_server(
            self._connection, settings.host, settings.port, backlog=BACKLOG
        )
        host, port = self._server.sockets[0].getsockname()[:2]
        self._url = f"http://{host}:{port}"
        self._processing = self._loop.create_task(self.service.batches.processing.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        tasks = []
        if self._processing is not None:
            self._processing.cancel()
            tasks.append(self._processing)
        for connection in list(self._live):
            connection.transport.abort()
            if connection.task is not None:
                connection.task.cancel()
                tasks.append(connection.task)
        await asyncio.gather(*tasks, return_exceptions=True)
        self.ledger.end()
        self.service.batches.spool.close()

    def _connection(self) -> Connection:
        large = {BATCHES_PATH: self.settings.max_batch_bytes}
        sizes = BodySizes(self.settings.max_body_bytes, large)
        return Connection(self._handle, self._live, sizes, partial(cuts_off, self.service))

    async def _handle(self, exchange: Exchange) -> None:
        await answer_request(self.service, exchange)


@contextmanager
def run_in_thread(settings: Settings | None = None) -> Iterator[Simulator]:
    """Run a simulator in its own thread and event loop until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="simulator", daemon=True)
    thread.start()
    simulator = Simulator(settings)
    try:
        asyncio.run_coroutine_threadsafe(simulator.__aenter__(), loop).result()
        try:
            yield simulator
        finally:
            closing = simulator.__aexit__(None, None, None)
            asyncio.run_coroutine_threadsafe(closing, loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
