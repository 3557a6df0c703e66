"""The simulator as a server: inside an event loop, or in a thread of its own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any

from batcher.simulator.billing.ledger import Entry, Ledger
from batcher.simulator.endpoints.router import answer_request, cuts_off
from batcher.simulator.endpoints.service import Service
from batcher.simulator.settings import Settings
from batcher.simulator.wire.connection import Connection, Exchange

BACKLOG = 1_024


class Simulator:
    """An asynchronous context manager that listens while it is open.

    Leaving it cuts the exchanges in progress; each is booked in the ledger all the same.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.service = Service(self.settings)
        self._server: asyncio.Server | None = None
        self._live: set[Connection] = set()
        self._url = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    @property
    def url(self) -> str:
        """The base URL; empty before the server listens."""
        return self._url

    @property
    def ledger(self) -> Ledger:
        """What was received and billed; while it runs, only for its own event loop."""
        return self.service.ledger

    def totals(self) -> dict[str, Any]:
        """Return the ledger's totals, from any thread, with every answer sent so far booked."""
        self._settle()
        return self.ledger.totals()

    def entries(self) -> tuple[Entry, ...]:
        """Return the entries of all requests so far, likewise; needs ``keep_requests``."""
        self._settle()
        return tuple(self.ledger.entries)

    def _settle(self) -> None:
        # A client may read its answer before the handler that wrote it has come to its end.
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
        for connection in list(self._live):
            connection.transport.abort()
            if connection.task is not None:
                connection.task.cancel()
                tasks.append(connection.task)
        await asyncio.gather(*tasks, return_exceptions=True)
        self.ledger.end()

    def _connection(self) -> Connection:
        most_bytes = self.settings.max_body_bytes
        return Connection(self._handle, self._live, most_bytes, partial(cuts_off, self.service))

    async def _handle(self, exchange: Exchange) -> None:
        await answer_request(self.service, exchange)


@contextmanager
def run_in_thread(settings: Settings | None = None) -> Iterator[Simulator]:
    """Run a simulator on an event loop in a thread of its own until the block ends."""
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
