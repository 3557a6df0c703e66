"""The workers of a live run: as many as the pace has use for, each with its own connection."""

import asyncio
from dataclasses import dataclass, field

from batcher.runner.job_context import JobContext
from batcher.runner.planning.planner import Plan
from batcher.runner.sending.context import SendContext
from batcher.runner.sending.feed import Feed, PendingRequest
from batcher.runner.sending.repairs import with_complaints
from batcher.runner.sending.sender import Sender


async def send_live(sending: JobContext, plan: Plan, ctx: SendContext) -> None:
    """Send what a plan says, each request on its own; see ``run_workers``."""
    ctx.in_flight.is_last_taken = False
    feed = Feed(sending, plan, ctx.stopping.is_set, lambda: 2 * ctx.rate_gate.wanted)
    try:
        await run_workers(feed, ctx)
    finally:
        feed.close()


async def run_workers(feed: Feed, ctx: SendContext) -> None:
    """Send all requests of a feed; return when every outcome is on the disk.

    When a worker fails (CheckpointError: an attempt could not be recorded, InputError: the input
    cannot be read on), nothing more is sent. What is in flight is awaited and recorded as far as
    possible; then the first error is raised.
    """
    endings = await _Workers(feed, ctx).run()
    recording = (*ctx.in_flight.unrecorded, *ctx.in_flight.settling)
    records = await asyncio.gather(*recording, return_exceptions=True)
    for error in [*endings, *records]:
        if error is not None:
            raise error


@dataclass(slots=True)
class _Workers:
    """A pool that grows with the pace: each worker holds a request, and requests may be large."""

    feed: Feed
    ctx: SendContext
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    _working: int = 0
    _are_done: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> list[BaseException | None]:
        """Work until nothing is left; return the error, or None, of each worker."""
        self._grow()
        if self._working:
            await self._are_done.wait()  # asyncio.wait would look at all tasks for each that ends
        return await asyncio.gather(*self._tasks, return_exceptions=True)

    def _grow(self) -> None:
        number, rate_gate = len(self._tasks), self.ctx.rate_gate
        if number == rate_gate.cap:
            return
        for slot in range(number, rate_gate.wanted):
            task = asyncio.create_task(self._work(Sender(slot, self.ctx)))
            task.add_done_callback(self._on_done)
            self._tasks.append(task)
            self._working += 1

    def _on_done(self, _: "asyncio.Task[None]") -> None:
        self._working -= 1
        if not self._working:
            self._are_done.set()

    async def _repaired(self, pending: PendingRequest) -> PendingRequest:
        label_check = self.ctx.label_check
        if not pending.repairs or label_check is None:
            return pending
        answers = await self.ctx.invalid_answers(pending.fingerprint)
        return await with_complaints(pending, answers, label_check, "live")

    async def _work(self, sender: Sender) -> None:
        stopping = self.ctx.stopping
        try:
            while not stopping.is_set():
                pending = await self.feed.get()
                if pending is None:
                    self.ctx.in_flight.is_last_taken = True
                    return
                await sender.send(await self._repaired(pending))
                self._grow()
        except BaseException:
            stopping.set()
            raise
