"""The second pass over the input: the requests that are to be sent, a little ahead of need."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal

from batcher.core.cache.marks import Level, marked, with_ttl
from batcher.core.cache.prefix import NO_PREFIXES
from batcher.core.money.bound import WorstCase
from batcher.core.request.build import Request, Unsendable
from batcher.core.row import BadRow
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
    ``prefixes`` names the marked prefixes, the shorter one first.
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
    """Hands out requests, read and rendered in a thread, one group ahead.

    They come in input order, but those that share a prefix come together, the first of them about
    ``ahead`` requests before the others (twice the requests in flight: who leads has been answered
    by then). Memory is bounded by two groups (64 requests or 8 MiB each)
    and by what ``PrefixGrouping`` holds, whatever the input's size.
    """

    def __init__(
        self,
        context: JobContext,
        plan: Plan,
        is_stopping: Callable[[], bool] = lambda: False,
        ahead: Callable[[], int] = lambda: AHEAD,
    ) -> None:
        ordered: Iterator[PendingRequest | None] = pending_requests(context, plan, is_stopping)
        sharing = plan.sharing
        if sharing.window:
            grouping = PrefixGrouping[PendingRequest](ahead, sharing.window, sharing.group_size)
            ordered = grouping.run(pending_requests(context, plan, is_stopping))
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
    context: JobContext, plan: Plan, is_stopping: Callable[[], bool] = lambda: False
) -> Iterator[PendingRequest]:
    """Read the input again and make the requests that the plan wants sent, until stopping.

    The next one may stand millions of rows further on: a stop must not wait for it.
    """
    wanted, samples = plan.to_send, context.samples
    last = len(wanted) // samples - 1
    while last >= 0 and not any(wanted[last * samples : (last + 1) * samples]):
        last -= 1
    for chunk in context.source.chunks(plan.columns):
        if is_stopping():
            return
        for row in chunk.rows:
            if row.ordinal > last:
                return
            marks = wanted[row.ordinal * samples : (row.ordinal + 1) * samples]
            if not any(marks):
                continue
            request = _unchanged(None if isinstance(row, BadRow) else context.maker.request_of(row))
            first = row.ordinal * samples
            wanted_samples = [sample for sample in range(samples) if marks[sample]]
            # The answers to one request share its prefixes, so they are marked alike.
            levels = plan.sharing.of(first + wanted_samples[0])
            body, prefixes = _marked_body(context, request, levels)
            bound = context.policy.bound_of(request, is_marked=bool(prefixes))
            for sample in wanted_samples:
                _check_name(plan, first + sample, request.fingerprints[sample])
                yield PendingRequest(
                    first + sample,
                    request.fingerprints[sample],
                    request.model,
                    request.max_tokens,
                    body,
                    bound,
                    marks[sample] - 1,
                    prefixes,
                    plan.repairs.get(first + sample, 0),
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
    """Send nothing but what was planned: a file that a row names may have changed."""
    if plan.names is not None and name != plan.names[NAME_BYTES * item : NAME_BYTES * (item + 1)]:
        raise InputError(
            "a file that a row names changed while it was in use",
            hint="run the same command again when nothing writes to it any more",
        )


def _unchanged(request: Request | Unsendable | None) -> Request:
    if not isinstance(request, Request):
        raise InputError(
            "the input changed while it was in use",
            hint="run the same command again when nothing writes to it any more",
        )
    return request


def _grouped(all_requests: Iterator[PendingRequest | None]) -> Iterator[list[PendingRequest]]:
    """Make groups; None says that the next one may take a while."""
    group: list[PendingRequest] = []
    size = 0
    for pending in all_requests:
        if pending is not None:
            group.append(pending)
            size += len(pending.body)
        if len(group) >= GROUP_REQUESTS or size >= GROUP_BYTES or (group and pending is None):
            yield group
            group, size = [], 0
    if group:
        yield group
