"""Makes batches from requests: as many as fit into a batch and into the budget."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from batcher.core.batches.custom_id import custom_id
from batcher.core.batches.size import BatchSize
from batcher.core.usage_fields import TTL
from batcher.runner.batches.context import BatchContext, new_marker, now
from batcher.runner.batches.open_batches import OpenBatches
from batcher.runner.batches.spool import Spool
from batcher.runner.sending.feed import Feed, PendingRequest
from batcher.runner.sending.repairs import with_complaints
from batcher.store.batches import invalid_answers
from batcher.store.records import BatchItem, BatchRecord, Intent


@dataclass(slots=True)
class NewBatch:
    """A batch that is made and not submitted yet; ``spool`` holds its body."""

    number: int
    marker: str
    made_at: datetime
    spool: Spool
    intents: list[Intent] = field(default_factory=list)
    items: list[BatchItem] = field(default_factory=list)

    @property
    def worst_usd(self) -> Decimal:
        """The most that it can cost, as far as its requests have a bound."""
        return sum((intent.worst_case_usd or Decimal(0) for intent in self.intents), Decimal(0))

    def record(
        self, run_id: str, key_digest: str, newest_id: str | None, cache_ttl: TTL | None
    ) -> BatchRecord:
        """Return its record, to be made durable before the create call."""
        return BatchRecord(
            batch=self.number,
            run_id=run_id,
            marker=self.marker,
            requests=self.spool.requests,
            body_bytes=self.spool.size,
            key_digest=key_digest,
            newest_id=newest_id,
            cache_ttl=cache_ttl,
            made_at=self.made_at,
        )


@dataclass(slots=True)
class BatchMaker:
    """Makes one batch after the other from a feed.

    Each request is reserved in the budget before it becomes part of a batch. When the budget has no
    room for the next one, the batch is complete: money comes back when batches have ended. With
    ``waits`` the next batch waits for that. ``ttl`` is the lifetime of cache marks; None without.
    """

    batches: BatchContext
    open_batches: OpenBatches
    feed: Feed
    waits: bool
    ttl: TTL | None = None
    _held: deque[PendingRequest] = field(default_factory=deque)

    async def make(self, number: int, taken: Collection[int]) -> NewBatch | None:
        """Make the next batch; None when no request is left that may be sent.

        ``taken`` has the numbers of requests that the batch must not have (see ``BatchSize``).
        """
        size = BatchSize(self.batches.section.batch_rows, taken)
        batch = NewBatch(number, new_marker(), now(), Spool(self.batches.folder))
        added: list[PendingRequest] = []
        while (pending := await self._next()) is not None:
            if not _fits(batch.spool, batch.marker, pending, size):
                self._held.append(pending)
                break
            if await self._reserve(pending, is_first=not added):
                self._add(batch, pending)
                added.append(pending)
            elif added or not self.waits:
                self._held.append(pending)
                break
        kept = size.usable(len(added))
        batch.spool.keep(kept)
        del batch.intents[kept:], batch.items[kept:]
        for pending in reversed(added[kept:]):
            self.batches.ctx.budget_gate.settle(pending.worst_case_usd, Decimal(0))
            self._held.appendleft(pending)
        if not kept:
            batch.spool.close()
            return None
        batch.spool.finish()
        return batch

    async def _next(self) -> PendingRequest | None:
        if self._held:
            return self._held.popleft()
        if self.batches.ctx.stopping.is_set():
            return None
        pending = await self.feed.get()
        if pending is None:
            return None
        if self.ttl is not None:
            pending = pending.with_body(pending.body_with_ttl(self.ttl))
        return await self._repair(pending) if pending.repairs else pending

    async def _repair(self, pending: PendingRequest) -> PendingRequest:
        """Return the conversation that asks for another answer in place of the invalid ones."""
        label_check = self.batches.ctx.label_check
        if label_check is None:
            return pending
        answers = await self.batches.db(invalid_answers, [pending.fingerprint])
        own = answers.get(pending.fingerprint, ())
        return await with_complaints(pending, own, label_check, "batch")

    async def _reserve(self, pending: PendingRequest, *, is_first: bool) -> bool:
        """Reserve the worst case, if the budget has room for it now or after a batch has ended.

        Money comes back result by result. A batch is not made from the first of it, but when all of
        a batch is back: else batches would become ever smaller.
        """
        ctx, worst = self.batches.ctx, pending.worst_case_usd
        while not ctx.budget_gate.reserve_now(worst):
            if not is_first or not self.waits or ctx.stopping.is_set():
                return False
            if self.open_batches.is_idle:
                return await ctx.budget_gate.reserve(worst)
            await self.open_batches.wait_for_end()
        return True

    def _add(self, batch: NewBatch, pending: PendingRequest) -> None:
        ctx, worst = self.batches.ctx, pending.worst
        attempt_id = ctx.in_flight.newest_attempt = next(ctx.attempt_ids)
        batch.spool.add(custom_id(batch.marker, attempt_id), pending.body)
        batch.intents.append(
            Intent(
                attempt_id,
                pending.fingerprint,
                ctx.run_id,
                pending.model,
                batch.made_at,
                pending.worst_case_usd,
            )
        )
        turns = None if worst is None else worst.turns
        batch.items.append(BatchItem(attempt_id, batch.number, pending.max_tokens, turns))


def _fits(spool: Spool, marker: str, pending: PendingRequest, size: BatchSize) -> bool:
    more = spool.bytes_of(custom_id(marker, 0), pending.body)
    return not size.is_full(spool.requests, spool.size, more)
