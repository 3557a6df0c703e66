"""Which entries of the prompt cache can be read, as far as our own requests tell.

An entry can be read once the answer to the request that wrote it has begun, and lives from the
start of the request that wrote or last read it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from batcher.core.usage_fields import TTL

LIFETIME_S: dict[TTL, float] = {"5m": 300.0, "1h": 3_600.0}

# What an attempt may take from being let through to being at the server.
_MARGIN_S = 10.0

_LATE_S = 3_600.0
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Lead:
    """Go first and write these entries, to live so long; say what became of it.

    ``read`` is the shorter entry that is read on the way, if there is one.
    """

    names: tuple[bytes, ...]
    ttl: TTL
    read: bytes | None = None


@dataclass(frozen=True, slots=True)
class Follow:
    """Go and read this entry, which lives so long."""

    name: bytes
    ttl: TTL


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody else is about to write this entry; ask again when it is known what came of it."""

    name: bytes


@dataclass(slots=True)
class _Entry:
    """``used_at`` is when the last request that wrote or read it started."""

    ttl: TTL
    used_at: float
    is_ready: bool = False

    def lives(self, now: float) -> bool:
        return self.is_ready and now < self.used_at + LIFETIME_S[self.ttl] - _MARGIN_S


class CacheEntries:
    """The entries of one run by the names of their prefixes; times in seconds of any clock.

    ``ttl`` is that of the job. Without one an entry is written for five minutes, and for an hour
    when it had expired at its next use within an hour. At most 10,000 entries are remembered
    besides those being written: one that was forgotten is written again.
    """

    def __init__(self, ttl: TTL | None = None) -> None:
        self._ttl = ttl
        self._entries: dict[bytes, _Entry] = {}

    def ask(self, prefixes: Sequence[bytes], now: float) -> Lead | Follow | Wait:
        """Say how a request with these prefixes may go; the shorter prefix comes first.

        It reads the longest entry that there is. It writes those beyond, unless one of its entries
        is being written: each is written once, and nobody waits for ever, since who leads ends.
        """
        longest = self._entries.get(prefixes[-1])
        if longest is not None and longest.lives(now):
            return Follow(prefixes[-1], longest.ttl)
        for name in prefixes:
            entry = self._entries.get(name)
            if entry is not None and not entry.is_ready:
                return Wait(name)
        cold = tuple(name for name in prefixes if not self._lives(name, now))
        read = next((name for name in reversed(prefixes) if name not in cold), None)
        is_long = any(self._lifetime(name, now) == "1h" for name in cold)
        ttl: TTL = "1h" if is_long else "5m"
        for name in cold:
            self._remember(name, _Entry(ttl, now))
        return Lead(cold, ttl, read)

    def begun(self, said: Lead | Follow, started_at: float) -> None:
        """Note that the answer has begun to a request that was let go so; it was sent then.

        Who leads wrote its entries. What was read is renewed, unless it has expired meanwhile and
        is being written again: a slow answer says nothing of the new one.
        """
        if isinstance(said, Follow):
            self._use(said.name, started_at)
            return
        for name in said.names:
            self._entries[name].is_ready = True
            self._use(name, started_at)
        if said.read is not None:
            self._use(said.read, started_at)

    def failed(self, said: Lead | Follow) -> None:
        """Note that there was no answer: who leads wrote nothing."""
        for name in said.names if isinstance(said, Lead) else ():
            del self._entries[name]

    def _use(self, name: bytes, started_at: float) -> None:
        """Let an entry live on from the start of a request, if it is there."""
        entry = self._entries.get(name)
        if entry is not None and entry.is_ready:
            entry.used_at = max(entry.used_at, started_at)
            self._remember(name, entry)

    def __len__(self) -> int:
        return len(self._entries)

    def _lives(self, name: bytes, now: float) -> bool:
        entry = self._entries.get(name)
        return entry is not None and entry.lives(now)

    def _lifetime(self, name: bytes, now: float) -> TTL:
        """How long an entry is to live that is written now."""
        if self._ttl is not None:
            return self._ttl
        entry = self._entries.get(name)
        return "5m" if entry is None or now >= entry.used_at + _LATE_S else "1h"

    def _remember(self, name: bytes, entry: _Entry) -> None:
        """Put an entry last, and forget the one unused for longest when there are too many."""
        self._entries.pop(name, None)
        self._entries[name] = entry
        if len(self._entries) > _MOST_REMEMBERED:
            oldest = next((old for old, kept in self._entries.items() if kept.is_ready), None)
            if oldest is not None:
                del self._entries[oldest]
