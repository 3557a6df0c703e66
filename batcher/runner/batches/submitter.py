"""Submits batches, one at a time: the intent first, then the create call, then its answer."""

import asyncio
import contextlib
from dataclasses import dataclass

from batcher.core.answers.outcome import Outcome, classify
from batcher.core.answers.response import NoResponse, Response
from batcher.core.batches.matching import Absent, was_refused
from batcher.core.batches.priming import Marks
from batcher.core.batches.wire import BatchObject, UnreadableBatch, parse_batch
from batcher.core.pace.halt import halt_of
from batcher.core.usage_fields import TTL
from batcher.runner.batches.calls import CallRefusedError, Stopped
from batcher.runner.batches.context import BatchContext, first_of
from batcher.runner.batches.endings import Endings
from batcher.runner.batches.maker import BatchMaker, NewBatch
from batcher.runner.batches.open_batch import OpenBatch
from batcher.runner.batches.open_batches import OpenBatches
from batcher.runner.batches.orphans import Orphans
from batcher.runner.batches.priming import Priming
from batcher.runner.planning.parts import divided
from batcher.runner.planning.planner import Plan
from batcher.runner.sending.feed import Feed
from batcher.store.batches import begin_batch, first_of_prefixes, next_batch


@dataclass(slots=True)
class Submitter:
    """Submits requests in batches.

    No batch is submitted before it is known what became of the one before, unless that may take
    hours: then no other batch has its number of requests.
    """

    batches: BatchContext
    open_batches: OpenBatches
    orphans: Orphans
    endings: Endings
    priming: Priming

    async def submit_plan(self, plan: Plan, *, waits: bool) -> None:
        """Submit all requests of a plan; raises CallRefusedError when the API takes no batch.

        With ``waits`` requests that the budget has no room for wait until batches have ended; else
        they are left out. Where it is cheaper, requests wait for a batch that writes the cache
        entry of their prefix.
        """
        way = self.priming.decide(plan)
        if way is Marks.PRIME:
            plan, way = await self._prime(plan, waits=waits)
        await self._submit_part(plan, waits=waits, ttl="1h" if way is Marks.FOLLOW else None)

    async def _prime(self, plan: Plan, *, waits: bool) -> tuple[Plan, Marks]:
        """Submit one request per prefix, and wait for its end; return the rest and its marks."""
        items = [item for item, mark in enumerate(plan.to_send) if mark]
        first, rest = divided(plan, await self.batches.db(first_of_prefixes, items))
        before = set(self.open_batches.created)
        await self._submit_part(first, waits=waits, ttl="1h")
        primers = [
            batch for number, batch in self.open_batches.created.items() if number not in before
        ]
        for batch in primers:
            batch.is_primer = True
        if not await self._have_ended(primers):
            self.priming.give_up()
            return rest, Marks.NONE
        return rest, await self.priming.on_primed(primers, rest)

    async def _have_ended(self, primers: list[OpenBatch]) -> bool:
        """Wait until batches have ended; False when that takes too long or the run is stopping."""
        stopping = self.batches.ctx.stopping
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.priming.patience_s):
                for batch in primers:
                    await first_of(batch.done, stopping)
        return all(batch.done.is_set() for batch in primers)

    async def _submit_part(self, plan: Plan, *, waits: bool, ttl: TTL | None) -> None:
        stopping = self.batches.ctx.stopping
        sent = plan.unmarked if ttl is None else plan
        feed = Feed(self.batches.sending, sent, stopping.is_set, delivery="batch")
        try:
            await self._submit_all(BatchMaker(self.batches, feed, waits, ttl))
        finally:
            feed.close()

    async def _submit_all(self, maker: BatchMaker) -> None:
        stopping = self.batches.ctx.stopping
        while not stopping.is_set():
            number = await self.batches.db(next_batch)
            taken = {batch.requests for batch in self.open_batches.unconfirmed}
            new = await maker.make(number, taken)
            if new is None:
                return
            try:
                await self._submit(new, maker.ttl)
            except Stopped:
                return
            finally:
                new.spool.close()

    async def _submit(self, new: NewBatch, ttl: TTL | None) -> None:
        batches, newest_id = self.batches, self.open_batches.newest_id
        if (failure := batches.failure()) is not None:
            raise failure  # what is paid for could not be recorded
        digest = batches.key_digest(new.marker)
        record = new.record(batches.ctx.run_id, digest, newest_id, ttl)
        await batches.db(begin_batch, record, new.intents, new.items)
        batch = OpenBatch.of(record, new.worst_usd)
        self.open_batches.unconfirmed.append(batch)
        self.open_batches.publish()
        created = await self._create(batch, new)
        if created is not None:
            await self.open_batches.confirm(batch, created)

    async def _create(self, batch: OpenBatch, new: NewBatch) -> BatchObject | None:
        """Call until the batch is created; None when that is not known yet.

        Raises CallRefusedError for a batch that the API refuses, and Stopped.
        """
        calls, spool, tries = self.batches.calls, new.spool, 0
        began = calls.clock()
        while True:
            response = await self.batches.client.create(spool.file, spool.size)
            created = _created(response)
            if created is not None:
                return created
            if not was_refused(response):
                found = await self.orphans.find(batch)
                if isinstance(found, BatchObject):
                    return found
                if not isinstance(found, Absent):
                    batch.is_looked_for = True
                    self.open_batches.say_unconfirmed(batch, found)
                    return None
            outcome, tries = classify(response), tries + 1
            await self._wait(batch, outcome, tries, calls.clock() - began)

    async def _wait(self, batch: OpenBatch, outcome: Outcome, tries: int, failing_s: float) -> None:
        """Wait before the next create call, while this one has certainly created nothing.

        The API refuses a batch while its queue is full; the run's own batches then make room.
        """
        policy = self.batches.ctx.policy
        is_full = outcome.is_rate_limited and bool(self.open_batches.created)
        is_final = not outcome.is_transient
        if is_final or (failing_s > policy.patience_s and not is_full):
            await self.endings.on_absent(batch)
            raise CallRefusedError(halt_of(outcome))
        try:
            await self.batches.calls.wait(outcome, tries)
        except Stopped:
            await self.endings.on_absent(batch)
            raise


def _created(response: Response | NoResponse) -> BatchObject | None:
    if isinstance(response, NoResponse) or response.fault or not 200 <= response.status < 300:
        return None
    try:
        return parse_batch(response.body)
    except UnreadableBatch:
        return None
