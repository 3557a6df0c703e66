"""The second pass over the input: the requests that are to be sent, a little ahead of need."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal

from batcher.core.request.build import Request, Unsendable
from batcher.core.row import BadRow
from batcher.errors import InputError
from batcher.runner.planning.prepare import Prepared
from batcher.runner.planning.survey import Plan

GROUP_REQUESTS = 64
GROUP_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Errand:
    """One request to send for one answer, and the attempts before that may have been billed."""

    item: int
    fingerprint: bytes
    request: Request
    worst_case_usd: Decimal | None
    unknown_attempts: int


class Feed:
    """Hands out errands in input order; reads and renders in a thread, one group ahead.

    Memory is bounded by two groups (64 requests or 8 MiB each), whatever the input's size.
    """

    def __init__(
        self, prepared: Prepared, plan: Plan, is_stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self._groups = _grouped(errands(prepared, plan, is_stopping))
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
            worst_case = prepared.worst_case_of(request)
            for sample, mark in enumerate(marks):
                if mark:
                    yield Errand(
                        row.ordinal * samples + sample,
                        request.fingerprints[sample],
                        request,
                        worst_case,
                        mark - 1,
                    )


def _unchanged(request: Request | Unsendable | None) -> Request:
    if not isinstance(request, Request):
        raise InputError(
            "the input changed while it was in use",
            hint="run the same command again when nothing writes to it any more",
        )
    return request


def _grouped(all_errands: Iterator[Errand]) -> Iterator[list[Errand]]:
    group: list[Errand] = []
    size = 0
    for errand in all_errands:
        group.append(errand)
        size += len(errand.request.body)
        if len(group) >= GROUP_REQUESTS or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
