"""The API's prompt cache: what a request reads from it and what it writes into it.

An entry is the hash of everything up to and including a block with a breakpoint. It can be read
only when the response of the request that wrote it has begun. Its lifetime starts with the request
that wrote it, and again with each request that reads or writes it. A read looks back over at most
20 blocks from each breakpoint. Prefixes shorter than the model's minimum are not cached; that is no
error.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from batcher.simulator.billing.prompt_tokens import Segment, canonical

LOOK_BACK = 20
LIFETIME_S = {"5m": 300.0, "1h": 3600.0}
MAX_ENTRIES = 100_000


@dataclass(slots=True)
class _Entry:
    ttl: str
    expires: float
    writer: str
    ready_at: float = math.inf


@dataclass(frozen=True, slots=True)
class Plan:
    """How one prompt is billed, and which entries it renews and writes (prefix hash, lifetime)."""

    uncached: int
    read: int
    write_5m: int
    write_1h: int
    renewed: tuple[bytes, ...] = ()
    written: tuple[tuple[bytes, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Position:
    prefix_hash: bytes
    tokens: int
    ttl: str | None


class PromptCache:
    """All entries of one organisation; the oldest are removed when there are too many."""

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry] = {}

    def plan(
        self,
        segments: Sequence[Segment],
        space: object,
        minimum: int,
        now: float,
        *,
        not_from: str | None = None,
    ) -> Plan:
        """Return how a prompt is billed; change nothing.

        ``space`` is what else separates caches: the model, its speed and its settings. Entries of
        the writer ``not_from`` are not read.
        """
        total = sum(segment.tokens for segment in segments)
        if not any(segment.ttl for segment in segments):
            return Plan(total, 0, 0, 0)
        prefix = _positions(segments, space)
        breakpoints = [
            index
            for index, position in enumerate(prefix)
            if position.ttl and position.tokens >= minimum
        ]
        if not breakpoints:
            return Plan(total, 0, 0, 0)
        hit = self._last_hit(prefix, breakpoints, now, not_from)
        read = 0 if hit is None else prefix[hit].tokens
        end_1h = max((prefix[i].tokens for i in breakpoints if prefix[i].ttl == "1h"), default=0)
        end = prefix[breakpoints[-1]].tokens
        return Plan(
            uncached=total - max(end, read),
            read=read,
            write_5m=max(0, end - max(read, end_1h)),
            write_1h=max(0, end_1h - read),
            renewed=() if hit is None else (prefix[hit].prefix_hash,),
            written=tuple(
                (prefix[i].prefix_hash, prefix[i].ttl or "5m")
                for i in breakpoints
                if hit is None or i > hit
            ),
        )

    def begin(self, plan: Plan, now: float, writer: str = "") -> None:
        """Renew the entries that the plan reads; add those that it writes, not yet readable."""
        for prefix_hash in plan.renewed:
            entry = self._entries[prefix_hash]
            entry.expires = max(entry.expires, now + LIFETIME_S[entry.ttl])
        for prefix_hash, ttl in plan.written:
            expires = now + LIFETIME_S[ttl]
            present = self._entries.get(prefix_hash)
            if present is None or present.expires <= now:
                self._entries.pop(prefix_hash, None)
                self._entries[prefix_hash] = _Entry(ttl, expires, writer)
            else:
                present.expires = max(present.expires, expires)
        while len(self._entries) > MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]

    def answered(self, plan: Plan, at: float = 0.0) -> None:
        """Make the entries that the plan writes readable from the beginning of its response."""
        for prefix_hash, _ in plan.written:
            entry = self._entries.get(prefix_hash)
            if entry is not None:
                entry.ready_at = min(entry.ready_at, at)

    def _last_hit(
        self,
        prefix: Sequence[_Position],
        breakpoints: Sequence[int],
        now: float,
        not_from: str | None,
    ) -> int | None:
        for breakpoint_index in reversed(breakpoints):
            for index in range(breakpoint_index, max(-1, breakpoint_index - LOOK_BACK), -1):
                entry = self._entries.get(prefix[index].prefix_hash)
                if (
                    entry is not None
                    and entry.ready_at <= now < entry.expires
                    and entry.writer != not_from
                ):
                    return index
        return None


def _positions(segments: Sequence[Segment], space: object) -> list[_Position]:
    prefix_hash = canonical(space)
    tokens = 0
    positions = []
    for segment in segments:
        digest = hashlib.blake2b(prefix_hash, digest_size=16)
        digest.update(canonical(segment.value))
        prefix_hash = digest.digest()
        tokens += segment.tokens
        positions.append(_Position(prefix_hash, tokens, segment.ttl))
    return positions
