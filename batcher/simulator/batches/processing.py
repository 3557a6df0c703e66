"""Processes the items of all batches in the order of their times, in small slices."""

import asyncio
import heapq
import logging
from collections.abc import Callable
from contextlib import suppress

from batcher.simulator.batches.batch import Batch
from batcher.simulator.batches.clock import BatchClock

log = logging.getLogger(__name__)
SLICE = 25
"""Items between two chances for other tasks of the event loop."""


class Processing:
    """What is due by the clock, and the task that does it; it belongs to one event loop."""

    def __init__(self, clock: BatchClock, process: Callable[[Batch, float], None]) -> None:
        self._clock = clock
        self._process = process
        self._due: list[tuple[float, int, Batch]] = []
        self._number = 0
        self._changed = asyncio.Event()
        self._lock = asyncio.Lock()

    def add(self, batch: Batch) -> None:
        """Put a batch, or one whose times have changed, into the queue."""
        self._number += 1
        heapq.heappush(self._due, (batch.next_time(), self._number, batch))
        self._changed.set()

    def reconsider(self, batch: Batch) -> None:
        """Sort a batch whose times have changed."""
        self._due = [entry for entry in self._due if entry[2] is not batch]
        heapq.heapify(self._due)
        self.add(batch)

    def wake(self) -> None:
        """Look at the clock again, because it has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Process what becomes due, until cancelled."""
        try:
            while True:
                self._changed.clear()
                await self.catch_up()
                await self._until_due()
        except Exception:
            log.exception("the simulator no longer processes batches")
            raise

    async def _until_due(self) -> None:
        wait = self._clock.real_seconds_until(self._due[0][0]) if self._due else None
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._changed.wait()

    async def catch_up(self) -> None:
        """Process everything that is due by now."""
        async with self._lock:
            count = 0
            while self._due and self._due[0][0] <= self._clock.now():
                self._step()
                count += 1
                if count % SLICE == 0:
                    await asyncio.sleep(0)

    def _step(self) -> None:
        time, number, batch = self._due[0]
        if batch.waiting:
            self._process(batch, time)
            heapq.heapreplace(self._due, (batch.next_time(), number, batch))
        else:
            batch.ended_at = time
            heapq.heappop(self._due)
