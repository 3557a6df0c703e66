"""Looks at the batches at the API from time to time, until each one has ended."""

import asyncio
import contextlib

from batcher.core.answers.outcome import Outcome, classify
from batcher.core.batches.matching import Absent, Gone
from batcher.core.batches.polling import is_listed, next_look_s
from batcher.core.batches.wire import BatchObject, UnreadableBatch, parse_batch, parse_page
from batcher.runner.batches.calls import NOT_FOUND, Stopped
from batcher.runner.batches.context import BatchContext, first_of, now
from batcher.runner.batches.endings import Endings
from batcher.runner.batches.open_batch import OpenBatch
from batcher.runner.batches.open_batches import OpenBatches
from batcher.runner.batches.orphans import Orphans
from batcher.runner.batches.priming import Priming

_NOT_CANCELED = (400, NOT_FOUND, 409)
"""How the API refuses a cancel of one batch, but no other call."""

_CANCEL_S = 60.0
"""How long a cancel may take; a run that still wants it asks again."""


class BatchWatch:
    """Looks at all open batches, by one listing where that is cheaper."""

    def __init__(
        self,
        batches: BatchContext,
        open_batches: OpenBatches,
        orphans: Orphans,
        endings: Endings,
        priming: Priming,
    ) -> None:
        self._batches = batches
        self._open = open_batches
        self._orphans = orphans
        self._endings = endings
        self._priming = priming

    async def run(self) -> None:
        """Look at the batches until the run is stopping; raises CallRefusedError."""
        with contextlib.suppress(Stopped):
            while True:
                await self._rest()
                await self.look()

    async def cancel(self, batch: OpenBatch) -> None:
        """Ask the API to cancel a batch; what has begun may still be billed until it has ended.

        The API refuses to cancel a batch that has just ended; the next look collects that one. A
        cancel that gets no answer for long is left, because a run of auto has more to do.
        """
        with contextlib.suppress(TimeoutError, Stopped):
            async with asyncio.timeout(_CANCEL_S):
                await self._cancel(batch)
        self._open.added.set()

    async def _cancel(self, batch: OpenBatch) -> None:
        assert batch.id is not None  # noqa: S101 - only a created batch is cancelled
        name, client, calls = batch.id, self._batches.client, self._batches.calls
        response = await calls.ask(lambda: client.cancel(name), answers=_NOT_CANCELED)
        if response.status not in _NOT_CANCELED:
            await self._open.record(batch, "cancel")
            batch.is_canceling = True
        elif response.status != NOT_FOUND:
            await self._say_not_canceled(name, classify(response))

    async def _say_not_canceled(self, name: str, refusal: Outcome) -> None:
        """Say that a batch goes on, unless it has ended."""
        with contextlib.suppress(UnreadableBatch):
            shown = await self._retrieved(name)
            if shown is not None and not shown.has_ended:
                reason = f"{refusal.error_type}: {refusal.error_message}"
                self._batches.say(f"warning  {name} was not canceled: {reason}")

    async def _retrieved(self, name: str) -> BatchObject | None:
        """Return one batch as the API shows it; None when it does not know it.

        Raises UnreadableBatch.
        """
        response = await self._batches.calls.ask(lambda: self._batches.client.retrieve(name))
        return None if response.status == NOT_FOUND else parse_batch(response.body)

    async def _rest(self) -> None:
        """Wait until the next look is due, or until there is another batch to look at."""
        calls, stopping = self._batches.calls, self._batches.ctx.stopping
        ages = [batch.age_s(now()) for batch in self._open.all]
        poll_s = float(self._batches.section.poll_s)
        wait_s = next_look_s(min(ages), poll_s, calls.random()) if ages else None
        self._open.added.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await first_of(self._open.added, stopping)
        if stopping.is_set():
            raise Stopped

    async def look(self) -> None:
        """Look at all batches now, and collect those that have ended."""
        self._open.publish()
        for batch in tuple(self._open.unconfirmed):
            if batch.run_id != self._batches.ctx.run_id or batch.is_looked_for:
                await self._look_for(batch)
        for batch in tuple(self._open.created.values()):
            if self._priming.is_late(batch):
                await self.cancel(batch)
        for batch, shown in await self._shown():
            if shown is None:
                await self._endings.on_unknown(batch)
            elif shown.has_ended:
                await self._endings.on_ended(batch, shown)

    async def _look_for(self, batch: OpenBatch) -> None:
        found = await self._orphans.find(batch)
        if isinstance(found, BatchObject):
            await self._open.confirm(batch, found)
        elif isinstance(found, Absent):
            await self._endings.on_absent(batch)
        elif isinstance(found, Gone):
            await self._endings.on_gone(batch, found.ids)
        else:
            batch.is_looked_for = True
            self._open.say_unconfirmed(batch, found)

    async def _shown(self) -> list[tuple[OpenBatch, BatchObject | None]]:
        """Return each open batch as the API shows it; None for one that it does not know."""
        client, calls = self._batches.client, self._batches.calls
        batches = tuple(self._open.created.values())
        listed: dict[str, BatchObject] = {}
        if is_listed(len(batches)):
            page = await calls.ask(lambda: client.list_batches(limit=min(1000, 4 * len(batches))))
            with contextlib.suppress(UnreadableBatch):
                listed = {shown.id: shown for shown in parse_page(page.body)[0]}
        result: list[tuple[OpenBatch, BatchObject | None]] = []
        for batch in batches:
            name = batch.id or ""
            if name in listed:
                result.append((batch, listed[name]))
                continue
            with contextlib.suppress(UnreadableBatch):  # the next look may read it
                result.append((batch, await self._retrieved(name)))
        return result
