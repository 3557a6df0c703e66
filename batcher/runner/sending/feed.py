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
from batcher.runner.job_context import Prepared
from batcher.runner.planning.items import NAME_BYTES
from batcher.runner.planning.planner import Plan
from batcher.runner.sending.group_by_prefix import Gathering

GROUP_REQUESTS = 64
GROUP_BYTES = 8 << 20

AHEAD = 64


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What sending needs of a request; ``body`` has the cache marks, which live five minutes."""

    model: str
    max_tokens: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Errand:
    """One request to send for one answer, and what it has been through in other runs.

    ``unknown_attempts`` may have been billed unseen, ``repairs`` answers were not what is wanted.

    ``prefixes`` names what is marked of it for the prompt cache, the shorter beginning first.
    """

    item: int
    fingerprint: bytes
    request: Outgoing
    worst: WorstCase | None
    unknown_attempts: int
    prefixes: tuple[bytes, ...] = ()
    repairs: int = 0

    @property
    def worst_case_usd(self) -> Decimal | None:
        """The most that an attempt of it can cost; None when nothing bounds it."""
        return None if self.worst is None else self.worst.usd

    @property
    def body(self) -> bytes:
        """The bytes that are sent, with marks that live five minutes."""
        return self.request.body

    def with_body(self, body: bytes) -> "Errand":
        """The same with other bytes."""
        return replace(self, request=replace(self.request, body=body))

    def body_living(self, ttl: TTL) -> bytes:
        """The bytes that are sent, with marks that live so long."""
        return with_ttl(self.body, ttl) if self.prefixes else self.body


class Feed:
    """Hands out errands, read and rendered in a thread, one group ahead.

    They come in input order, but those that share a prefix come together, the first of them about
    ``ahead`` errands before the others (twice the requests in flight: who leads has been answered
    by then). Memory is bounded by two groups (64 requests or 8 MiB each)
    and by what ``Gathering`` holds, whatever the input's size.
    """

    def __init__(
        self,
        prepared: Prepared,
        plan: Plan,
        is_stopping: Callable[[], bool] = lambda: False,
        ahead: Callable[[], int] = lambda: AHEAD,
    ) -> None:
        ordered: Iterator[Errand | None] = errands(prepared, plan, is_stopping)
        sharing = plan.sharing
        if sharing.window:
            gathering = Gathering[Errand](ahead, sharing.window, sharing.group_size)
            ordered = gathering.run(errands(prepared, plan, is_stopping))
        self._groups = _grouped(ordered)
        self._ready: deque[Errand] = deque()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="feed")
        self._lock = asyncio.Lock()
        self._next = self._read_ahead()

    async def get(self) -> Errand | None:
        """Return the next errand, or None when there are no more."""
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

    def _read_ahead(self) -> "asyncio.Future[list[Errand]]":
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._executor, next, self._groups, [])


def errands(
    prepared: Prepared, plan: Plan, is_stopping: Callable[[], bool] = lambda: False
) -> Iterator[Errand]:
    """Read the input again and make the requests that the plan wants sent, until stopping.

    The next one may stand millions of rows further on: a stop must not wait for it.
    """
    wanted, samples = plan.to_send, prepared.samples
    last = len(wanted) // samples - 1
    while last >= 0 and not any(wanted[last * samples : (last + 1) * samples]):
        last -= 1
    for chunk in prepared.source.chunks(plan.columns):
        if is_stopping():
            return
        for row in chunk.rows:
            if row.ordinal > last:
                return
            marks = wanted[row.ordinal * samples : (row.ordinal + 1) * samples]
            if not any(marks):
                continue
            request = _unchanged(None if isinstance(row, BadRow) else prepared.request_of(row))
            first = row.ordinal * samples
            wanted_samples = [sample for sample in range(samples) if marks[sample]]
            # The answers to one request share its prefixes, so they are marked alike.
            levels = plan.sharing.of(first + wanted_samples[0])
            outgoing, prefixes = _outgoing(prepared, request, levels)
            bound = prepared.bound_of(request, is_marked=bool(prefixes))
            for sample in wanted_samples:
                _check_name(plan, first + sample, request.fingerprints[sample])
                yield Errand(
                    first + sample,
                    request.fingerprints[sample],
                    outgoing,
                    bound,
                    marks[sample] - 1,
                    prefixes,
                    plan.repairs.get(first + sample, 0),
                )


def _outgoing(
    prepared: Prepared, request: Request, levels: Level
) -> tuple[Outgoing, tuple[bytes, ...]]:
    """Mark a request for the cache where the plan wants it and it still can be."""
    prefixes = NO_PREFIXES
    if levels and prepared.prefixes is not None:
        prefixes = prepared.prefixes.of(request).at(levels)
    body = marked(request.fields, prefixes.levels) if prefixes.levels else request.body
    return Outgoing(request.model, request.max_tokens, body), prefixes.names


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


def _grouped(all_errands: Iterator[Errand | None]) -> Iterator[list[Errand]]:
    """Make groups; None says that the next one may take a while."""
    group: list[Errand] = []
    size = 0
    for errand in all_errands:
        if errand is not None:
            group.append(errand)
            size += len(errand.body)
        if len(group) >= GROUP_REQUESTS or size >= GROUP_BYTES or (group and errand is None):
            yield group
            group, size = [], 0
    if group:
        yield group
