"""Submits batches, one at a time: the intent first, then the create call, then its answer."""

import asyncio
import contextlib
import math
from dataclasses import dataclass

from batcher.core.answers.outcome import Outcome, classify
from batcher.core.answers.response import NoResponse, Response
from batcher.core.batches.matching import Absent, Match, was_refused
from batcher.core.batches.priming import Marks
from batcher.core.batches.wire import BatchObject, UnreadableBatch, parse_batch
from batcher.core.pace.halt import halt_of
from batcher.core.plural import counted
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

_LONGEST_S = 600.0
"""How long making batches, or waiting for one that primes, may keep a run from deciding again."""

_LARGE_BYTES = 20_000_000
"""A batch from this size on takes long to send, so the run says that it does."""

_SOON_S = 60.0
"""How long create calls may fail in a run that has more to do than to wait for them."""


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

        With ``waits`` requests that the budget or the API's queue has no room for wait until
        batches have ended. Without, nothing takes long: what cannot be submitted soon is left out.
        Where it is cheaper, requests wait for a batch that writes the cache entry of their prefix.
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
            async with asyncio.timeout(min(self.priming.patience_s, _LONGEST_S)):
                for batch in primers:
                    await first_of(batch.done, stopping)
        return all(batch.done.is_set() for batch in primers)

    async def _submit_part(self, plan: Plan, *, waits: bool, ttl: TTL | None) -> None:
        stopping = self.batches.ctx.stopping
        sent = plan.unmarked if ttl is None else plan
        feed = Feed(self.batches.sending, sent, stopping.is_set, delivery="batch")
        try:
            await self._submit_all(BatchMaker(self.batches, self.open_batches, feed, waits, ttl))
        finally:
            feed.close()

    async def _submit_all(self, maker: BatchMaker) -> None:
        stopping, clock = self.batches.ctx.stopping, self.batches.calls.clock
        began = clock()
        while not stopping.is_set():
            if not maker.waits and clock() - began > _LONGEST_S:
                return
            number = await self.batches.db(next_batch)
            taken = {batch.requests for batch in self.open_batches.unconfirmed}
            new = await maker.make(number, taken)
            if new is None:
                return
            try:
                await self._submit(new, maker)
            except Stopped:
                return
            finally:
                new.spool.close()

    async def _submit(self, new: NewBatch, maker: BatchMaker) -> None:
        batches, newest_id = self.batches, self.open_batches.newest_id
        if (failure := batches.failure()) is not None:
            raise failure  # what is paid for could not be recorded
        digest = batches.key_digest(new.marker)
        record = new.record(batches.ctx.run_id, digest, newest_id, maker.ttl)
        await batches.db(begin_batch, record, new.intents, new.items)
        batch = OpenBatch.of(record, new.worst_usd)
        self.open_batches.unconfirmed.append(batch)
        self.open_batches.publish()
        if new.spool.size >= _LARGE_BYTES:
            size = f"{new.spool.size / 1e6:,.0f} MB"
            batches.say(f"batch  sending {counted(batch.requests, 'request')} with {size}")
        created = await self._create(batch, new, waits=maker.waits)
        if created is not None:
            await self.open_batches.confirm(batch, created)

    async def _create(self, batch: OpenBatch, new: NewBatch, *, waits: bool) -> BatchObject | None:
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
                found = await self.orphans.find(batch) if waits else None
                if isinstance(found, BatchObject):
                    return found
                if not isinstance(found, Absent):
                    self._leave_to_watch(batch, found)
                    return None
            outcome, tries = classify(response), tries + 1
            patience_s = self._patience_s(outcome, waits=waits)
            wait_s = max(calls.clock() - began, outcome.retry_after_s or 0.0)
            if not outcome.is_transient or wait_s > patience_s:
                await self.endings.on_absent(batch)
                raise CallRefusedError(halt_of(outcome), is_passing=outcome.is_transient)
            await self._wait(batch, outcome, tries)

    def _leave_to_watch(self, batch: OpenBatch, found: Match | None) -> None:
        batch.is_looked_for = True
        if found is not None:
            self.open_batches.say_unconfirmed(batch, found)
        self.open_batches.added.set()

    def _patience_s(self, outcome: Outcome, *, waits: bool) -> float:
        """Return how long create calls may fail.

        The API refuses a batch while its queue is full; the run's own batches then make room.
        """
        if not waits:
            return min(self.batches.ctx.policy.patience_s, _SOON_S)
        is_full = outcome.is_rate_limited and bool(self.open_batches.created)
        return math.inf if is_full else self.batches.ctx.policy.patience_s

    async def _wait(self, batch: OpenBatch, outcome: Outcome, tries: int) -> None:
        """Wait before the next create call, while this one has certainly created nothing."""
        try:
            await self.batches.calls.wait(outcome, tries)
        except (Stopped, CallRefusedError):
            await self.endings.on_absent(batch)
            raise


def _created(response: Response | NoResponse) -> BatchObject | None:
    if isinstance(response, NoResponse) or response.fault or not 200 <= response.status < 300:
        return None
    try:
        return parse_batch(response.body)
    except UnreadableBatch:
        return None
