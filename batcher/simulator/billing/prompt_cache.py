"""The API's prompt cache: what a request reads from it and what it writes into it.

An entry is the hash of everything up to and including a block with a breakpoint. It can be read
only once the response of the request that wrote it has begun; a lifetime counts from the start
of the request that wrote or last read the entry. A read looks back over at most 20 blocks from
each breakpoint. Prefixes shorter than the model's minimum are not cached, without an error.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from batcher.simulator.billing.prompt_tokens import Segment, canonical

LOOK_BACK = 20
LIFETIME_S = {"5m": 300.0, "1h": 3600.0}
MOST_ENTRIES = 100_000


@dataclass(slots=True)
class _Entry:
    ttl: str
    expires: float
    is_ready: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """How one prompt is billed, and the entries it renews and writes (prefix hash, lifetime)."""

    uncached: int
    read: int
    write_5m: int
    write_1h: int
    renewed: tuple[bytes, ...] = ()
    written: tuple[tuple[bytes, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Position:
    name: bytes
    tokens: int
    ttl: str | None


class PromptCache:
    """All entries of one organisation; the oldest go first when there are too many."""

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry] = {}

    def plan(self, segments: Sequence[Segment], space: object, minimum: int, now: float) -> Plan:
        """Decide, changing nothing.

        ``space`` is whatever else separates caches: the model, its speed and its settings.
        """
        total = sum(segment.tokens for segment in segments)
        if not any(segment.ttl for segment in segments):
            return Plan(total, 0, 0, 0)
        prefix = _positions(segments, space)
        marks = [
            index
            for index, position in enumerate(prefix)
            if position.ttl and position.tokens >= minimum
        ]
        if not marks:
            return Plan(total, 0, 0, 0)
        hit = self._highest_hit(prefix, marks, now)
        read = 0 if hit is None else prefix[hit].tokens
        long = max((prefix[i].tokens for i in marks if prefix[i].ttl == "1h"), default=0)
        end = prefix[marks[-1]].tokens
        write_1h = max(0, long - read)
        return Plan(
            uncached=total - max(end, read),
            read=read,
            write_5m=max(0, end - max(read, long)),
            write_1h=write_1h,
            renewed=() if hit is None else (prefix[hit].name,),
            written=tuple(
                (prefix[i].name, prefix[i].ttl or "5m") for i in marks if hit is None or i > hit
            ),
        )

    def begin(self, plan: Plan, now: float) -> None:
        """Renew what the plan reads and note what it will write, not yet readable."""
        for name in plan.renewed:
            entry = self._entries[name]
            entry.expires = now + LIFETIME_S[entry.ttl]
        for name, ttl in plan.written:
            known = self._entries.get(name)
            if known is None or known.expires <= now:
                self._entries.pop(name, None)
                self._entries[name] = _Entry(ttl, now + LIFETIME_S[ttl])
        while len(self._entries) > MOST_ENTRIES:
            del self._entries[next(iter(self._entries))]

    def answered(self, plan: Plan) -> None:
        """Let what the plan writes be read: the first byte of its response has left."""
        for name, _ in plan.written:
            entry = self._entries.get(name)
            if entry is not None:
                entry.is_ready = True

    def _highest_hit(
        self, prefix: Sequence[_Position], marks: Sequence[int], now: float
    ) -> int | None:
        for mark in reversed(marks):
            for index in range(mark, max(-1, mark - LOOK_BACK), -1):
                entry = self._entries.get(prefix[index].name)
                if entry is not None and entry.is_ready and entry.expires > now:
                    return index
        return None


def _positions(segments: Sequence[Segment], space: object) -> list[_Position]:
    name = canonical(space)
    tokens = 0
    positions = []
    for segment in segments:
        digest = hashlib.blake2b(name, digest_size=16)
        digest.update(canonical(segment.value))
        name = digest.digest()
        tokens += segment.tokens
        positions.append(_Position(name, tokens, segment.ttl))
    return positions
