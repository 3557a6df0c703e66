"""Lets the first request of a prefix go alone, and the rest once its answer has begun."""

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from batcher.core.cache.entries import CacheEntries, Follow, Lead, Wait
from batcher.core.usage_fields import TTL


class CacheGate:
    """Shared by all workers; ``clock`` gives monotonic seconds, ``waiting`` counts who waits.

    ``ttl`` is that of the job, None when it leaves the choice.
    """

    def __init__(self, ttl: TTL | None, clock: Callable[[], float]) -> None:
        self._warmth = CacheEntries(ttl)
        self._clock = clock
        self._waiters: dict[bytes, list[asyncio.Future[None]]] = {}
        self.waiting = 0

    async def admit(
        self, prefixes: Sequence[bytes], stopping: asyncio.Event
    ) -> "CachePermit | None":
        """Wait until an attempt with these prefixes may go; None when ``stopping`` is set.

        A wait ends with the attempt that is waited for, however that ends: close every permit.
        """
        while not stopping.is_set():
            if not prefixes:
                return CachePermit(self, Lead((), "5m"))
            said = self._warmth.decide(prefixes, self._clock())
            if not isinstance(said, Wait):
                return CachePermit(self, said)
            await self._wait(said.name)
        return None

    async def _wait(self, name: bytes) -> None:
        woken = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(name, []).append(woken)
        self.waiting += 1
        try:
            await woken
        finally:
            self.waiting -= 1

    def now(self) -> float:
        """The time by its clock."""
        return self._clock()

    def begun(self, said: Lead | Follow, started_at: float) -> None:
        """Note that an answer has begun, and let those go that waited for it."""
        self._warmth.on_response_started(said, started_at)
        self._wake(said)

    def failed(self, said: Lead | Follow) -> None:
        """Note that there was no answer, and let another one lead."""
        self._warmth.on_failure(said)
        self._wake(said)

    def _wake(self, said: Lead | Follow) -> None:
        for name in said.names if isinstance(said, Lead) else ():
            for woken in self._waiters.pop(name, ()):
                if not woken.done():
                    woken.set_result(None)


class CachePermit:
    """What one attempt may do with the cache; use it in a ``with``, which ends it.

    ``ttl`` is how long its marks are to live. Say when it leaves (what it reads or writes lives
    from then on), and as soon as its answer has begun; without the latter it has failed.
    """

    def __init__(self, cache_gate: CacheGate, said: Lead | Follow) -> None:
        self._warming = cache_gate
        self._said = said
        self._started_at = cache_gate.now()
        self._has_ended = False
        self.ttl: TTL = said.ttl

    @property
    def leads(self) -> bool:
        """Whether others may wait for it."""
        return isinstance(self._said, Lead) and bool(self._said.names)

    def leaves(self) -> None:
        """Note that the attempt is sent now."""
        self._started_at = self._warming.now()

    def begun(self) -> None:
        """Note that the answer has begun; only the first call counts."""
        if not self._has_ended:
            self._has_ended = True
            self._warming.begun(self._said, self._started_at)

    def close(self) -> None:
        """Note that there will be no answer, unless one has begun."""
        if not self._has_ended:
            self._has_ended = True
            self._warming.failed(self._said)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
