"""The live executor: a fixed pool of workers, each with a connection of its own."""

import asyncio

from batcher.runner.sending.feed import Feed
from batcher.runner.sending.sender import Sender, Surroundings


async def run_live(feed: Feed, concurrency: int, surroundings: Surroundings) -> None:
    """Send all errands of a feed, at most ``concurrency`` at once, until done or stopping.

    Returns when every outcome is on the disk. When a worker fails (CheckpointError: an attempt
    could not be recorded, InputError: the input cannot be read on) nothing more is sent, what is
    in flight is awaited and recorded as far as that can be done, and the first error is raised.
    """
    stopping = surroundings.stopping
    workers = [_work(Sender(slot, surroundings), feed, stopping) for slot in range(concurrency)]
    endings = await asyncio.gather(*workers, return_exceptions=True)
    recordings = await asyncio.gather(*surroundings.unrecorded, return_exceptions=True)
    for ending in [*endings, *recordings]:
        if ending is not None:
            raise ending


async def _work(sender: Sender, feed: Feed, stopping: asyncio.Event) -> None:
    try:
        while not stopping.is_set():
            errand = await feed.get()
            if errand is None:
                return
            await sender.send(errand)
    except BaseException:
        stopping.set()
        raise
