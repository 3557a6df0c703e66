"""Finds out what became of a batch whose create call left no answer."""

from datetime import timedelta

from batcher.core.batches.custom_id import attempt_of
from batcher.core.batches.matching import (
    Absent,
    Gone,
    Inspect,
    LookAgain,
    Match,
    Wait,
    match,
)
from batcher.core.batches.wire import (
    BatchObject,
    UnreadableBatch,
    UnreadableResult,
    parse_page,
    parse_result,
)
from batcher.runner.batches.context import BatchContext
from batcher.runner.batches.open_batch import OpenBatch

_WINDOW = timedelta(days=2)
_TRIES = 5


class Orphans:
    """Looks for batches in the API's list.

    ``known_ids`` are the batches of the checkpoint, which are certainly not the one looked for.
    """

    def __init__(self, batches: BatchContext, known_ids: set[str]) -> None:
        self._batches = batches
        self._known_ids = known_ids

    async def find(self, batch: OpenBatch) -> BatchObject | Match:
        """Return the batch if it was created, or what is known about it so far.

        It takes as long as two listings that lack the batch must be apart. Raises CallRefusedError
        when the listings may be those of another workspace, and Stopped.
        """
        calls, first_looked_at, others = self._batches.calls, None, set[str]()
        while True:
            listed = await self._list(batch)
            settle_s = float(self._batches.section.listed_after_s)
            found = match(
                batch, listed, self._known_ids | others, calls.clock(), first_looked_at, settle_s
            )
            if isinstance(found, LookAgain | Absent | Gone):
                self._check_key(batch, listed)
            if isinstance(found, Inspect):
                (other,) = (each for each in listed if each.id == found.id)
                is_ours = await self._is_ours(batch, other)
                if is_ours is None:
                    return Wait((other.id,))
                if is_ours:
                    return other
                others.add(other.id)
            elif isinstance(found, LookAgain):
                first_looked_at = first_looked_at or calls.clock()
                await calls.rest(found.after_s)
            else:
                return found

    def _check_key(self, batch: OpenBatch, listed: list[BatchObject]) -> None:
        """Check that a listing that lacks a batch is one of the workspace that submitted it.

        A workspace may have several keys; it is the same one if it lists a batch that we know.
        """
        known = {*self._known_ids, batch.newest_id}
        if known.isdisjoint(other.id for other in listed):
            self._batches.check_key(batch.name, batch.marker, batch.key_digest)

    async def _list(self, batch: OpenBatch) -> list[BatchObject]:
        """Return the batches from the newest back to those that are older than this one."""
        listed: list[BatchObject] = []
        after_id, has_more = None, True
        while has_more:
            page, has_more, after_id = await self._page(after_id)
            listed += page
            if any(_is_older(other, batch) for other in page):
                break
        return listed

    async def _page(self, after_id: str | None) -> tuple[list[BatchObject], bool, str | None]:
        client, calls = self._batches.client, self._batches.calls
        while True:
            response = await calls.ask(lambda: client.list_batches(after_id=after_id))
            try:
                return parse_page(response.body)
            except UnreadableBatch as error:
                calls.on_failure(f"the list of batches cannot be read: {error}")
                await calls.rest(float(self._batches.section.poll_s))

    async def _is_ours(self, batch: OpenBatch, other: BatchObject) -> bool | None:
        """Return whether an ended batch has our marker; None when no result of it can be read."""
        for _ in range(_TRIES):
            async with self._batches.client.results(other.id, other.results_url) as results:
                async for line in results.lines():
                    try:
                        result = parse_result(line)
                    except UnreadableResult:
                        continue
                    return attempt_of(result.custom_id, batch.marker) is not None
            await self._batches.calls.rest(float(self._batches.section.poll_s))
        return None


def _is_older(other: BatchObject, batch: OpenBatch) -> bool:
    return other.id == batch.newest_id or other.created_at < batch.made_at - _WINDOW
