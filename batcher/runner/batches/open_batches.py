"""The batches that are not done with, of this run and of earlier ones."""

import asyncio
import contextlib
from datetime import datetime, timedelta
from decimal import Decimal

from batcher.core.answers.response import Response
from batcher.core.batches.matching import Match
from batcher.core.batches.wire import BatchObject, UnreadableBatch, parse_page
from batcher.core.money.display import rounded_text
from batcher.core.plural import counted
from batcher.runner.batches.context import BatchContext, first_of, now
from batcher.runner.batches.open_batch import OpenBatch
from batcher.runner.sending.in_flight import WaitingBatches
from batcher.store.batches import add_event, stored_batches
from batcher.store.records import BatchEvent, BatchEventName

_AT_THE_API = ("created", "canceling", "ended")


class OpenBatches:
    """The batches that are not done with, and what is recorded about them.

    ``created`` has those that the API has created, by number; of the ``unconfirmed`` that is not
    known. ``known_ids`` are the ids of all batches of the checkpoint, ``newest_id`` is the last of
    them. ``added`` is set when there is another batch to look at, ``news`` when one is done with.
    """

    def __init__(self, batches: BatchContext) -> None:
        self.created: dict[int, OpenBatch] = {}
        self.unconfirmed: list[OpenBatch] = []
        self.known_ids: set[str] = set()
        self.newest_id: str | None = None
        self.added = asyncio.Event()
        self.news = asyncio.Event()
        self._batches = batches

    @property
    def all(self) -> tuple[OpenBatch, ...]:
        """All batches that are not done with."""
        return (*self.created.values(), *self.unconfirmed)

    @property
    def is_idle(self) -> bool:
        """Whether no batch is left."""
        return not self.created and not self.unconfirmed

    @property
    def is_settled(self) -> bool:
        """Whether no batch is left, and the plan has been made again since the last one ended."""
        return self.is_idle and not self.news.is_set()

    @property
    def waiting(self) -> int:
        """The number of requests in batches that are not done with."""
        return sum(batch.requests for batch in self.all)

    @property
    def worst_usd(self) -> Decimal:
        """The most that these batches can still cost, in USD, as far as they have a bound."""
        batches = self.all
        return sum((batch.worst_usd for batch in batches), Decimal(0))

    @property
    def oldest(self) -> datetime | None:
        """When the oldest of these batches was made; None without any."""
        times = [batch.made_at for batch in self.all]
        return min(times, default=None)

    async def attach(self) -> None:
        """Take over the batches that earlier runs left; raises CallRefusedError and Stopped."""
        for stored in await self._batches.db(stored_batches):
            batch = OpenBatch.stored(stored)
            if stored.id is not None:
                self.known_ids.add(stored.id)
                self.newest_id = stored.id
            if stored.state == "unconfirmed":
                self.unconfirmed.append(batch)
            elif stored.state in _AT_THE_API:
                self.created[batch.number] = batch
        if not self.is_idle:
            number = len(self.all)
            self._batches.say(
                f"batches  waiting for {counted(number, 'batch', 'batches')} of an earlier run: "
                f"{counted(self.waiting, 'request')}, up to {rounded_text(self.worst_usd)}"
            )
        if self.newest_id is None:
            response = await self._batches.calls.ask(
                lambda: self._batches.client.list_batches(limit=1),
                self._batches.ctx.policy.patience_s,
            )
            self.newest_id = _newest(response)

    async def confirm(self, batch: OpenBatch, created: BatchObject) -> None:
        """Record that the API has created a batch."""
        await self.record(batch, "created", created.id, created.created_at)
        self.known_ids.add(created.id)
        self.newest_id = batch.id = created.id
        batch.created_at = created.created_at
        self.unconfirmed.remove(batch)
        self.created[batch.number] = batch
        self.added.set()
        self._batches.event("batch_created", batch=batch.number, id=batch.id, rows=batch.requests)
        self._batches.say(
            f"batch  {batch.name} with {counted(batch.requests, 'request')}, at most "
            f"{rounded_text(batch.worst_usd)}"
        )

    async def absent(self, batch: OpenBatch) -> None:
        """Record that a batch was never created: its requests may be sent again."""
        await self.record(batch, "absent")
        self._batches.event("batch_absent", batch=batch.number)
        self.done_with(batch)

    async def wait_for_end(self) -> None:
        """Wait until one of these batches is done with, or the run is stopping."""
        done = (batch.done for batch in self.all)
        await first_of(*done, self._batches.ctx.stopping)

    def done_with(self, batch: OpenBatch) -> None:
        """Forget a batch."""
        self.created.pop(batch.number, None)
        if batch in self.unconfirmed:
            self.unconfirmed.remove(batch)
        self.publish()
        batch.done.set()
        self.news.set()

    def say_unconfirmed(self, batch: OpenBatch, found: Match) -> None:
        """Say once that nobody knows yet whether a batch was created."""
        if batch.is_said:
            return
        batch.is_said = True
        ids = ", ".join(getattr(found, "ids", ()))
        self._batches.say(
            f"warning  batch {batch.number} may be {ids}, which is known once that has ended; its "
            f"{counted(batch.requests, 'request waits', 'requests wait')} until then"
        )

    async def record(
        self,
        batch: OpenBatch,
        event: BatchEventName,
        name: str | None = None,
        at: datetime | None = None,
    ) -> None:
        """Make an event of a batch durable."""
        await self._batches.db(add_event, BatchEvent(batch.number, event, name, at or now()))

    def publish(self) -> None:
        """Let the progress of the run show these batches."""
        waiting, oldest_at = None, self.oldest
        if oldest_at is not None:
            waiting = WaitingBatches(len(self.all), self.waiting, oldest_at, self._next_at())
        self._batches.ctx.in_flight.batches = waiting

    def _next_at(self) -> datetime | None:
        """Return when the next batch is likely to end: it is as likely to end before as after."""
        ages = [(batch.requests, batch.age_s(now())) for batch in self.created.values()]
        age_at = self._batches.durations.age_at
        soonest_s = min((age_at(rows, 0.5, age_s) - age_s for rows, age_s in ages), default=None)
        return None if soonest_s is None else now() + timedelta(seconds=soonest_s)


def _newest(response: Response) -> str | None:
    with contextlib.suppress(UnreadableBatch):
        listed, _, _ = parse_page(response.body)
        return listed[0].id if listed else None
    return None
