"""The live executor: as many workers as the pace has use for, each with its own connection."""

import asyncio
from dataclasses import dataclass, field

from batcher.runner.sending.context import SendContext
from batcher.runner.sending.feed import Feed
from batcher.runner.sending.sender import Sender


async def run_live(feed: Feed, ctx: SendContext) -> None:
    """Send all requests of a feed until done or stopping.

    Returns when every outcome is on the disk. When a worker fails (CheckpointError: an attempt
    could not be recorded, InputError: the input cannot be read on) nothing more is sent, what is
    in flight is awaited and recorded as far as that can be done, and the first error is raised.
    """
    endings = await _Workers(feed, ctx).run()
    recordings = await asyncio.gather(*ctx.unrecorded, return_exceptions=True)
    for ending in [*endings, *recordings]:
        if ending is not None:
            raise ending


@dataclass(slots=True)
class _Workers:
    """A pool that grows with the pace: a worker holds a request, and requests may be large."""

    feed: Feed
    ctx: SendContext
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    async def run(self) -> list[BaseException | None]:
        """Work until there is nothing left; how each worker ended."""
        self._grow()
        while working := [task for task in self._tasks if not task.done()]:
            await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
        return await asyncio.gather(*self._tasks, return_exceptions=True)

    def _grow(self) -> None:
        while len(self._tasks) < self.ctx.rate_gate.wanted:
            sender = Sender(len(self._tasks), self.ctx)
            self._tasks.append(asyncio.create_task(self._work(sender)))

    async def _work(self, sender: Sender) -> None:
        stopping = self.ctx.stopping
        try:
            while not stopping.is_set():
                pending = await self.feed.get()
                if pending is None:
                    self.ctx.has_last = True
                    return
                await sender.send(pending)
                self._grow()
        except BaseException:
            stopping.set()
            raise
