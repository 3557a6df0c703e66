"""Brings requests with a common prefix together, in bounded memory, for the prompt cache."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, Self, TypeVar

WINDOW_BYTES = 64 << 20

# What a request takes besides the bytes of its body.
_OVERHEAD_BYTES = 768


class Groupable(Protocol):
    """The part of a request that grouping needs."""

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """The names of its marked prefixes, the longest last; empty without marks."""

    @property
    def body(self) -> bytes:
        """The bytes to send."""

    def with_body(self, body: bytes) -> Self:
        """Return a copy with another body."""


E = TypeVar("E", bound=Groupable)


@dataclass(slots=True)
class _Held(Generic[E]):
    """A request without the start and the end that it shares with its group's first body."""

    pending: E
    start: int
    end: int


@dataclass(slots=True)
class _Group(Generic[E]):
    pattern: bytes
    held: deque[_Held[E]] = field(default_factory=deque)
    is_led: bool = False


class PrefixGrouping(Generic[E]):
    """Reorders requests so that those with the same longest prefix come together, as a group.

    The first request of a group, its leader, comes about ``ahead`` requests before the others, so
    that the others seldom wait for its response. Groups come in the order of their leaders. The
    requests of a group, and requests without a prefix, keep their order. At most ``window`` plus
    twice ``ahead`` requests are in memory, and at most ``most_bytes`` bytes; what a group shares is
    kept once. A group that is spread wider comes in parts. Requests of the first group pass without
    delay, so a single group is never kept back.

    ``group_size`` is the expected size of a group: while the window fills for the first time, the
    requests behind a leader are not known yet, and a cache entry whose readers come too late was
    written in vain.
    """

    def __init__(
        self,
        ahead: Callable[[], int],
        window: int,
        group_size: int,
        most_bytes: int = WINDOW_BYTES,
    ) -> None:
        self._ahead = ahead
        self._window = window
        self._group_size = group_size
        self._most_bytes = most_bytes
        self._first_leaders = 0
        self._is_filling = True
        self._current: bytes | None = None
        self._groups: dict[bytes, _Group[E]] = {}
        self._leaderless: deque[bytes] = deque()
        self._behind_leaders = 0
        self.held = 0
        self.held_bytes = 0

    def run(self, requests: Iterable[E]) -> Iterator[E | None]:
        """Yield the requests in their new order; None where the next one may take a while."""
        for pending in requests:
            group = pending.prefixes[-1] if pending.prefixes else None
            if self._current is None:
                self._current = group
            if group is None or group == self._current:
                yield pending
                continue
            self._hold(group, pending)
            yield from self._leaders()
            yield None
            while self._is_full:
                yield from self._next_group()
        while self._groups:
            yield from self._next_group()

    @property
    def _is_full(self) -> bool:
        most = self._window + 2 * self._ahead()
        return self.held > most or self.held_bytes > self._most_bytes

    def _hold(self, name: bytes, pending: E) -> None:
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group(pending.body)
            self._leaderless.append(name)
            self.held_bytes += len(group.pattern) + _OVERHEAD_BYTES
        start, end = common_ends(pending.body, group.pattern)
        own = pending.body[start : len(pending.body) - end]
        group.held.append(_Held(pending.with_body(own), start, end))
        self._behind_leaders += group.is_led
        self.held += 1
        self.held_bytes += len(own) + _OVERHEAD_BYTES

    def _release(self, group: _Group[E]) -> E:
        held = group.held.popleft()
        own, pattern = held.pending.body, group.pattern
        self._behind_leaders -= group.is_led
        self.held -= 1
        self.held_bytes -= len(own) + _OVERHEAD_BYTES
        return held.pending.with_body(
            b"".join((pattern[: held.start], own, pattern[len(pattern) - held.end :]))
        )

    @property
    def _expected_behind(self) -> int:
        """How many requests would come before the group of a leader that is sent now."""
        if self._is_filling:
            return max(self._behind_leaders, self._first_leaders * self._group_size)
        return self._behind_leaders

    def _leaders(self) -> Iterator[E]:
        """Yield leaders while few requests wait behind the leaders that were sent."""
        while self._leaderless and self._expected_behind <= self._ahead():
            group = self._groups[self._leaderless.popleft()]
            yield self._release(group)
            group.is_led = True
            self._first_leaders += 1
            self._behind_leaders += len(group.held)

    def _next_group(self) -> Iterator[E]:
        """Yield the rest of the group whose leader was sent first."""
        self._is_filling = False
        self._current = next(iter(self._groups))
        group = self._groups[self._current]
        yield from self._leaders()
        while group.held:
            yield self._release(group)
            yield from self._leaders()
        del self._groups[self._current]
        self.held_bytes -= len(group.pattern) + _OVERHEAD_BYTES


def common_ends(body: bytes, pattern: bytes) -> tuple[int, int]:
    """Return how many bytes two bodies share at their start, and then at their end."""
    most = min(len(body), len(pattern))
    start = _most(most, lambda n: body[:n] == pattern[:n])
    return start, _most(
        most - start, lambda n: body[len(body) - n :] == pattern[len(pattern) - n :]
    )


def _most(most: int, holds: Callable[[int], bool]) -> int:
    """Return the greatest number up to ``most`` for which ``holds`` is true; it is monotonic."""
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        if holds(middle):
            least = middle
        else:
            most = middle - 1
    return least
