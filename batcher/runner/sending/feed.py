"""The second pass over the input: makes the requests to send, a little ahead of need."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal

from batcher.core.cache.marks import Level, marked, with_ttl
from batcher.core.cache.prefix import NO_PREFIXES
from batcher.core.delivery import Delivery
from batcher.core.money.bound import WorstCase
from batcher.core.pace.sending_order import passes
from batcher.core.request.build import Request, Unsendable
from batcher.core.row import BadRow, Row
from batcher.core.usage_fields import TTL
from batcher.errors import InputError
from batcher.runner.job_context import JobContext
from batcher.runner.planning.items import NAME_BYTES
from batcher.runner.planning.planner import Plan
from batcher.runner.sending.group_by_prefix import PrefixGrouping

GROUP_REQUESTS = 64
GROUP_BYTES = 8 << 20

AHEAD = 64


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """One request to send for one answer, and what happened to it in earlier runs.

    ``body`` holds the bytes to send, with cache marks that live five minutes. ``unknown_attempts``
    counts attempts whose billing status is unknown, ``repairs`` answers that were invalid.
    ``prefixes`` names the marked prefixes, the shorter one first. ``failed_before`` is the error
    type of the row's last failure if other rows have been answered since, else "".
    """

    item: int
    fingerprint: bytes
    model: str
    max_tokens: int
    body: bytes
    worst: WorstCase | None
    unknown_attempts: int
    prefixes: tuple[bytes, ...] = ()
    repairs: int = 0
    row: int = 0
    failed_before: str = ""

    def is_known_for(self, error_type: str | None) -> bool:
        """Return whether the row is known to fail with this type of error."""
        return bool(error_type) and error_type == self.failed_before

    @property
    def worst_case_usd(self) -> Decimal | None:
        """The most that one attempt can cost; None when nothing bounds it."""
        return None if self.worst is None else self.worst.usd

    def with_body(self, body: bytes) -> "PendingRequest":
        """Return the same request with other bytes."""
        return replace(self, body=body)

    def body_with_ttl(self, ttl: TTL) -> bytes:
        """Return the bytes to send, with marks that live as long as ``ttl`` says."""
        return with_ttl(self.body, ttl) if self.prefixes else self.body


class Feed:
    """Hands out requests that a thread reads and renders, one group ahead.

    They come in input order, except that requests with the same prefix come together; the first of
    them comes about ``ahead`` requests before the others (twice the number in flight, so that its
    response has begun by then). Memory is bounded, whatever the size of the input: two groups of
    64 requests or 8 MiB each, and what ``PrefixGrouping`` keeps.
    """

    def __init__(
        self,
        context: JobContext,
        plan: Plan,
        is_stopping: Callable[[], bool] = lambda: False,
        ahead: Callable[[], int] = lambda: AHEAD,
        delivery: Delivery = "live",
    ) -> None:
        requests = pending_requests(context, plan, is_stopping, delivery)
        ordered: Iterator[PendingRequest | None] = requests
        sharing = plan.sharing
        if sharing.window:
            grouping = PrefixGrouping[PendingRequest](ahead, sharing.window, sharing.group_size)
            ordered = grouping.run(requests)
        self._groups = _grouped(ordered)
        self._ready: deque[PendingRequest] = deque()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="feed")
        self._lock = asyncio.Lock()
        self._next = self._read_ahead()

    async def get(self) -> PendingRequest | None:
        """Return the next request, or None when there are no more."""
        if self._ready:
            return self._ready.popleft()
        async with self._lock:
            if not self._ready:
                group = await asyncio.shield(self._next)
                if not group:
                    return None
                self._ready.extend(group)
                self._next = self._read_ahead()
        return self._ready.popleft() if self._ready else await self.get()

    def close(self) -> None:
        """Stop reading."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _read_ahead(self) -> "asyncio.Future[list[PendingRequest]]":
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._executor, next, self._groups, [])


def pending_requests(
    context: JobContext,
    plan: Plan,
    is_stopping: Callable[[], bool] = lambda: False,
    delivery: Delivery = "live",
) -> Iterator[PendingRequest]:
    """Read the input again and yield the requests that the plan sends, until stopping.

    When rows failed before, it takes more than one pass. The next request may be millions of rows
    further on, so stopping is checked for each chunk.
    """
    for to_send in passes(plan.to_send, plan.failed_before):
        yield from _pass_over(context, plan, to_send, is_stopping, delivery)


def _pass_over(
    context: JobContext,
    plan: Plan,
    to_send: bytearray,
    is_stopping: Callable[[], bool],
    delivery: Delivery,
) -> Iterator[PendingRequest]:
    index = context.items
    last_row = index.row_of(len(to_send.rstrip(b"\0")) - 1)
    for chunk in context.source.chunks(plan.used):
        if is_stopping():
            return
        for row in chunk.rows:
            if row.ordinal > last_row:
                return
            items = [item for item in index.items_of(row.ordinal) if to_send[item]]
            if items:
                yield from _requests_of(context, plan, row, items, delivery)


def _requests_of(
    context: JobContext, plan: Plan, row: Row | BadRow, items: Sequence[int], delivery: Delivery
) -> Iterator[PendingRequest]:
    request = _unchanged(None if isinstance(row, BadRow) else context.maker.request_of(row))
    # The answers to one row share its prefixes, so all of them are marked alike.
    body, prefixes = _marked_body(context, request, plan.sharing.of(items[0]))
    bound = context.policy.bound_of(request, is_marked=bool(prefixes), delivery=delivery)
    first_item = context.items.items_of(row.ordinal).start
    for item in items:
        fingerprint = request.fingerprints[item - first_item]
        _check_name(plan, item, fingerprint)
        yield PendingRequest(
            item,
            fingerprint,
            request.model,
            request.max_tokens,
            body,
            bound,
            plan.to_send[item] - 1,
            prefixes,
            plan.repairs.get(item, 0),
            row.ordinal,
            plan.failed_before.get(item, ""),
        )


def _marked_body(
    context: JobContext, request: Request, levels: Level
) -> tuple[bytes, tuple[bytes, ...]]:
    """Mark a request for the cache where the plan says so and the request still has the place.

    Return the bytes and the names of the marked prefixes.
    """
    prefixes = NO_PREFIXES
    if levels and context.prefixes is not None:
        prefixes = context.prefixes.of(request).at(levels)
    body = marked(request.fields, prefixes.levels) if prefixes.levels else request.body
    return body, prefixes.names


def _check_name(plan: Plan, item: int, name: bytes) -> None:
    """Raise InputError for a request that was not planned: a file that its row names changed."""
    if plan.names is not None and name != plan.names[NAME_BYTES * item : NAME_BYTES * (item + 1)]:
        raise InputError(
            "a file that a row names changed during the run",
            hint="run the same command again once nothing writes to it",
        )


def _unchanged(request: Request | Unsendable | None) -> Request:
    if not isinstance(request, Request):
        raise InputError(
            "the input changed during the run",
            hint="run the same command again once nothing writes to it",
        )
    return request


def _grouped(requests: Iterator[PendingRequest | None]) -> Iterator[list[PendingRequest]]:
    """Make groups of requests; None in the input says that the next request may take a while."""
    group: list[PendingRequest] = []
    size = 0
    for pending in requests:
        if pending is not None:
            group.append(pending)
            size += len(pending.body)
        if len(group) >= GROUP_REQUESTS or size >= GROUP_BYTES or (group and pending is None):
            yield group
            group, size = [], 0
    if group:
        yield group
