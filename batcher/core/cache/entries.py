"""Tracks which entries of the prompt cache can be read, from our own requests.

An entry can be read once the response to the request that wrote it has started. Its lifetime counts
from the start of the request that wrote it or last read it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from batcher.core.usage_fields import TTL

LIFETIME_S: dict[TTL, float] = {"5m": 300.0, "1h": 3_600.0}

# The time that an attempt may take from its permit to its arrival at the server.
_MARGIN_S = 10.0

_HOUR_S = 3_600.0
_MAX_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Lead:
    """Send this request first: it writes these entries with this lifetime. Report its result.

    ``read`` is the shorter entry that the request reads, if there is one.
    """

    names: tuple[bytes, ...]
    ttl: TTL
    read: bytes | None = None


@dataclass(frozen=True, slots=True)
class Follow:
    """Send this request: it reads this entry, which has this lifetime."""

    name: bytes
    ttl: TTL


@dataclass(frozen=True, slots=True)
class Wait:
    """Another request is about to write this entry; decide again when it has reported."""

    name: bytes


@dataclass(slots=True)
class _Entry:
    """``used_at`` is when the last request that wrote or read it started."""

    ttl: TTL
    used_at: float
    is_ready: bool = False

    def is_alive(self, now: float) -> bool:
        return self.is_ready and now < self.used_at + LIFETIME_S[self.ttl] - _MARGIN_S


class CacheEntries:
    """The entries of one run by the names of their prefixes; times are seconds of any clock.

    ``ttl`` is the lifetime that the job sets. Without one an entry is written for five minutes,
    and for an hour if it had expired when it was needed again within an hour. At most 10,000
    entries are kept, not counting those being written; a forgotten entry is written again.
    """

    def __init__(self, ttl: TTL | None = None) -> None:
        self._ttl = ttl
        self._entries: dict[bytes, _Entry] = {}

    def decide(self, prefixes: Sequence[bytes], now: float) -> Lead | Follow | Wait:
        """Decide whether a request with these prefixes may be sent; the shorter prefix comes first.

        It reads the longest entry that exists and writes the longer ones, but waits while another
        request writes one of its entries. So each entry is written once, and no wait is endless,
        because every lead reports its result.
        """
        longest = self._entries.get(prefixes[-1])
        if longest is not None and longest.is_alive(now):
            return Follow(prefixes[-1], longest.ttl)
        for name in prefixes:
            entry = self._entries.get(name)
            if entry is not None and not entry.is_ready:
                return Wait(name)
        missing = tuple(name for name in prefixes if not self._is_alive(name, now))
        read = next((name for name in reversed(prefixes) if name not in missing), None)
        is_long = any(self._new_ttl(name, now) == "1h" for name in missing)
        ttl: TTL = "1h" if is_long else "5m"
        for name in missing:
            self._store(name, _Entry(ttl, now))
        return Lead(missing, ttl, read)

    def on_response_started(self, decision: Lead | Follow, started_at: float) -> None:
        """Record that a response has started; its request was sent at ``started_at``.

        A lead has written its entries. The entry that was read is renewed, unless it has expired
        in the meantime and is being written again: a slow response says nothing about a new entry.
        """
        if isinstance(decision, Follow):
            self._use(decision.name, started_at)
            return
        for name in decision.names:
            self._entries[name].is_ready = True
            self._use(name, started_at)
        if decision.read is not None:
            self._use(decision.read, started_at)

    def on_failure(self, decision: Lead | Follow) -> None:
        """Record that there was no response: a lead has written nothing."""
        for name in decision.names if isinstance(decision, Lead) else ():
            del self._entries[name]

    def _use(self, name: bytes, started_at: float) -> None:
        """Renew an entry from the start of a request, if the entry exists."""
        entry = self._entries.get(name)
        if entry is not None and entry.is_ready:
            entry.used_at = max(entry.used_at, started_at)
            self._store(name, entry)

    def __len__(self) -> int:
        return len(self._entries)

    def _is_alive(self, name: bytes, now: float) -> bool:
        entry = self._entries.get(name)
        return entry is not None and entry.is_alive(now)

    def _new_ttl(self, name: bytes, now: float) -> TTL:
        """Return the lifetime for an entry that is written now."""
        if self._ttl is not None:
            return self._ttl
        entry = self._entries.get(name)
        return "5m" if entry is None or now >= entry.used_at + _HOUR_S else "1h"

    def _store(self, name: bytes, entry: _Entry) -> None:
        """Put an entry last; when there are too many, forget the one unused for longest."""
        self._entries.pop(name, None)
        self._entries[name] = entry
        if len(self._entries) > _MAX_ENTRIES:
            oldest = next((old for old, stored in self._entries.items() if stored.is_ready), None)
            if oldest is not None:
                del self._entries[oldest]
