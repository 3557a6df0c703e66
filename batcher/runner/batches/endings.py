"""What happens when a batch is done with: collected, lost, or never created."""

import asyncio
from collections.abc import Collection

from batcher.core.answers.outcome import Billing, Outcome, Verdict, classify
from batcher.core.answers.response import Response
from batcher.core.batches.result_outcome import without_result
from batcher.core.batches.wire import BatchObject
from batcher.core.pace.halt import halt_of
from batcher.core.plural import counted
from batcher.runner.batches.calls import NOT_FOUND, CallRefusedError, Stopped
from batcher.runner.batches.collector import Collected, Collector
from batcher.runner.batches.context import BatchContext
from batcher.runner.batches.open_batch import OpenBatch
from batcher.runner.batches.open_batches import OpenBatches
from batcher.runner.batches.priming import Priming
from batcher.runner.sending.recording import settle

_LOOKS = 5
"""How often the API may not know a batch that it has created, before the batch counts as lost."""


class Endings:
    """Decides what to do with a batch that has ended, and with one that the API does not show."""

    def __init__(
        self,
        batches: BatchContext,
        open_batches: OpenBatches,
        collector: Collector,
        priming: Priming,
    ) -> None:
        self._batches = batches
        self._open = open_batches
        self._collector = collector
        self._priming = priming

    async def on_absent(self, batch: OpenBatch) -> None:
        """Take that a batch was never created: its requests may be sent again."""
        await self._collector.release(batch)
        await self._open.absent(batch)

    async def on_gone(self, batch: OpenBatch, ids: Collection[str]) -> None:
        """Give a batch up that may be one of some whose results are gone."""
        reason = f"the API has removed the results of {', '.join(ids)}, which may be its batch"
        await self._lose(batch, without_result(reason))

    async def on_unknown(self, batch: OpenBatch) -> None:
        """Decide about a batch that the API does not show: to another key, or not any more.

        A simulator ends with its run, and its batches with it.
        """
        if self._batches.sending.asks_simulator:
            reason = "the simulator that had its batch has ended"
            await self._lose(batch, without_result(reason, may_be_billed=False))
            return
        self._batches.check_key(batch.name, batch.marker, batch.key_digest)
        batch.looks_without += 1
        if batch.looks_without >= _LOOKS:
            await self._lose(batch, without_result("the API does not know its batch any more"))

    async def on_ended(self, batch: OpenBatch, ended: BatchObject) -> None:
        """Collect the results of a batch that has ended; raises CallRefusedError and Stopped."""
        if not batch.has_ended:
            batch.has_ended = True
            await self._open.record(batch, "ended", at=ended.ended_at)
            self._batches.event("batch_ended", batch=batch.number, id=batch.id)
        if ended.archived_at is not None:
            reason = "the API has removed the results of its batch after 29 days"
            await self._lose(batch, without_result(reason))
            return
        collected = await self._collector.collect(batch, ended)
        if collected.was_interrupted:
            raise Stopped
        if collected.is_whole:
            await self._finish(batch, collected)
        else:
            await self._on_incomplete(batch, collected)

    async def _on_incomplete(self, batch: OpenBatch, collected: Collected) -> None:
        """Decide about results that could not be read, or only in part: they are read again."""
        failure, calls = collected.failure, self._batches.calls
        if failure is not None:
            outcome = classify(failure)
            is_missing = isinstance(failure, Response) and failure.status == NOT_FOUND
            if outcome.verdict is not Verdict.RETRY and not is_missing:
                raise CallRefusedError(halt_of(outcome))
            calls.on_failure(f"{outcome.error_type}: {outcome.error_message}")
            return
        is_last = batch.is_last_reading
        batch.readings += 1
        if not is_last:
            return
        await self._collector.give_up(batch, without_result("the results of its batch lack it"))
        self._batches.say(
            f"warning  the results of {batch.name} lack {counted(collected.missing, 'request')}: "
            "their billing status is unknown"
        )
        await self._finish(batch, collected)

    async def _finish(self, batch: OpenBatch, collected: Collected) -> None:
        """Record that all results of a batch are recorded."""
        ctx = self._batches.ctx
        settle(ctx, ctx.watcher.on_batch_collected())
        await asyncio.gather(*ctx.in_flight.settling)
        await self._open.record(batch, "fetched")
        await self._priming.on_collected(batch)
        by_status = ", ".join(f"{rows:,} {name}" for name, rows in collected.by_status.items())
        self._batches.say(f"batch  {batch.name} has ended: {by_status or 'nothing new'}")
        self._batches.event(
            "batch_collected",
            batch=batch.number,
            id=batch.id,
            by_status=dict(collected.by_status),
            strange_lines=collected.strange,
            unreadable_lines=collected.unreadable,
        )
        if collected.strange or collected.unreadable:
            self._batches.say(
                f"warning  the results of {batch.name} have {collected.strange:,} lines that name "
                f"no request of it and {collected.unreadable:,} that cannot be read"
            )
        self._open.done_with(batch)

    async def _lose(self, batch: OpenBatch, outcome: Outcome) -> None:
        items = await self._collector.give_up(batch, outcome)
        await self._open.record(batch, "lost")
        self._batches.event("batch_lost", batch=batch.number, id=batch.id, rows=items)
        unknown = "" if outcome.billing is Billing.FREE else ", of unknown billing status"
        self._batches.say(
            f"warning  {batch.name} is lost with {counted(items, 'request')}{unknown}: "
            f"{outcome.error_message}"
        )
        self._open.done_with(batch)
