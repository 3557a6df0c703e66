"""Sends the first request of a prefix alone, and the others once its response has begun."""

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from batcher.core.cache.entries import CacheEntries, Follow, Lead, Wait
from batcher.core.usage_fields import TTL


class CacheGate:
    """Admits attempts so that a cache entry is written once and then read, for all workers.

    ``ttl`` is the lifetime of entries that the job sets, None when it does not. ``clock`` gives
    monotonic seconds. ``waiting`` is the number of attempts that wait for another one.
    """

    def __init__(self, ttl: TTL | None, clock: Callable[[], float]) -> None:
        self._entries = CacheEntries(ttl)
        self._clock = clock
        self._waiters: dict[bytes, list[asyncio.Future[None]]] = {}
        self.waiting = 0

    async def admit(
        self, prefixes: Sequence[bytes], stopping: asyncio.Event
    ) -> "CachePermit | None":
        """Wait until an attempt with these prefixes may be sent; None when ``stopping`` is set.

        A wait ends when the leading attempt ends, so every permit must be closed.
        """
        while not stopping.is_set():
            if not prefixes:
                return CachePermit(self, Lead((), "5m"))
            decision = self._entries.decide(prefixes, self._clock())
            if not isinstance(decision, Wait):
                return CachePermit(self, decision)
            await self._wait(decision.name)
        return None

    async def _wait(self, name: bytes) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(name, []).append(turn)
        self.waiting += 1
        try:
            await turn
        finally:
            self.waiting -= 1

    def now(self) -> float:
        """Return the time of the gate's clock."""
        return self._clock()

    def begun(self, decision: Lead | Follow, started_at: float) -> None:
        """Note that a response has begun, and admit the attempts that waited for it."""
        self._entries.on_response_started(decision, started_at)
        self._wake(decision)

    def failed(self, decision: Lead | Follow) -> None:
        """Note that there was no response, and let another attempt lead."""
        self._entries.on_failure(decision)
        self._wake(decision)

    def _wake(self, decision: Lead | Follow) -> None:
        for name in decision.names if isinstance(decision, Lead) else ():
            for turn in self._waiters.pop(name, ()):
                if not turn.done():
                    turn.set_result(None)


class CachePermit:
    """What one attempt may do with the cache; a context manager that ends it.

    ``ttl`` is the lifetime of its marks. Call ``sent`` when the attempt is sent (entries live from
    then on), and ``begun`` as soon as its response begins; without ``begun`` it has failed.
    """

    def __init__(self, cache_gate: CacheGate, decision: Lead | Follow) -> None:
        self._gate = cache_gate
        self._decision = decision
        self._started_at = cache_gate.now()
        self._has_ended = False
        self.ttl: TTL = decision.ttl

    @property
    def leads(self) -> bool:
        """Whether other attempts may wait for this one."""
        return isinstance(self._decision, Lead) and bool(self._decision.names)

    def sent(self) -> None:
        """Note that the attempt is sent now."""
        self._started_at = self._gate.now()

    def begun(self) -> None:
        """Note that the response has begun; only the first call counts."""
        if not self._has_ended:
            self._has_ended = True
            self._gate.begun(self._decision, self._started_at)

    def close(self) -> None:
        """Note that there will be no response, unless one has begun."""
        if not self._has_ended:
            self._has_ended = True
            self._gate.failed(self._decision)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
