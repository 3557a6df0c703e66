"""The live executor: a fixed pool of workers, each with a connection of its own."""

import asyncio

from batcher.errors import CheckpointError
from batcher.runner.feed import Feed
from batcher.runner.sender import Sender, Surroundings


async def run_live(feed: Feed, concurrency: int, surroundings: Surroundings) -> None:
    """Send all errands of a feed, at most ``concurrency`` at once, until done or stopping.

    Returns when every outcome is on the disk. Raises CheckpointError when one could not be
    recorded: nothing more is sent then.
    """
    try:
        async with asyncio.TaskGroup() as workers:
            for slot in range(concurrency):
                workers.create_task(_work(Sender(slot, surroundings), feed, surroundings.stopping))
        await asyncio.gather(*surroundings.unrecorded)
    except* CheckpointError as failures:
        raise failures.exceptions[0] from None


async def _work(sender: Sender, feed: Feed, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        errand = await feed.get()
        if errand is None:
            return
        await sender.send(errand)
