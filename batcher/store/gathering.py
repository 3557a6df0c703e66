"""Gathers the records that wait for a commit, and decides when it is time for one."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING

from batcher.store.records import Record

if TYPE_CHECKING:
    import asyncio

GROUP_RECORDS = 1_024
GROUP_BYTES = 8 << 20
GROUP_S = 0.1
_OUTCOMES = 64
_PAUSE = 4.0


class Addition:
    """A record that waits for its commit; ``done`` is done when it is on the disk."""

    __slots__ = ("done", "record", "table")

    def __init__(self, table: str, record: Record, done: "asyncio.Future[None]") -> None:
        self.table = table
        self.record = record
        self.done = done


@dataclass(slots=True)
class Gathering:
    """The records that wait for the next commit, in the order in which they came.

    A commit of one record takes as long as a commit of a hundred, so a commit takes all that waits.
    It is due

    - when an attempt has waited for ``may_wait_s()`` seconds: its request waits for the commit;
    - when 64 outcomes wait, or another record has waited for 0.1 s: no request waits for them;
    - but not before some time has passed since the last commit: up to four times what that one took
      of the processor, the more the busier the process is. While it uses a processor as a whole,
      waiting costs nothing, and what comes meanwhile shares the next commit;
    - at once when 1,024 records or 8 MiB wait.

    Times are seconds of ``clock``, which is monotonic.
    """

    may_wait_s: Callable[[], float] = lambda: 0.0
    clock: Callable[[], float] = time.monotonic
    thread_clock: Callable[[], float] = time.thread_time
    process_clock: Callable[[], float] = time.process_time
    _waiting: list[Addition] = field(default_factory=list)
    _bytes: int = 0
    _outcomes: int = 0
    _due_at: float = math.inf
    _not_before: float = -math.inf
    _began_s: float = 0.0
    _last: tuple[float, float] = (0.0, 0.0)

    @property
    def is_empty(self) -> bool:
        """Whether no record waits."""
        return not self._waiting

    def add(self, additions: list[Addition]) -> None:
        """Add records that came together."""
        self._waiting += additions
        self._bytes += sum(map(_size, additions))
        tables = [addition.table for addition in additions]
        self._outcomes += tables.count("outcomes")
        wait_s = GROUP_S if self._outcomes < _OUTCOMES else 0.0
        if "attempts" in tables:
            wait_s = min(wait_s, self.may_wait_s())
        self._due_at = min(self._due_at, self.clock() + wait_s)

    def wait_s(self) -> float | None:
        """Return the seconds until a commit is due; None when nothing waits."""
        if not self._waiting:
            return None
        if len(self._waiting) >= GROUP_RECORDS or self._bytes >= GROUP_BYTES:
            return 0.0
        return max(0.0, max(self._due_at, self._not_before) - self.clock())

    def take(self) -> list[Addition]:
        """Return the records of the next commit, the oldest first; call ``committed`` after it."""
        self._began_s = self.thread_clock()
        sizes = accumulate(map(_size, self._waiting))
        number = 1 + sum(1 for _ in takewhile(lambda size: size < GROUP_BYTES, sizes))
        number = min(number, GROUP_RECORDS)
        group, left = self._waiting[:number], self._waiting[number:]
        self._waiting, self._bytes, self._outcomes, self._due_at = [], 0, 0, math.inf
        if left:
            self.add(left)
            self._due_at = -math.inf
        return group

    def committed(self) -> None:
        """Note that the commit of the group that was taken has ended."""
        now, used_s = self.clock(), self.process_clock()
        share = (used_s - self._last[1]) / max(now - self._last[0], 1e-6)
        self._last = now, used_s
        took_s = self.thread_clock() - self._began_s
        self._not_before = now + min(GROUP_S, _PAUSE * min(1.0, share) * took_s)


def _size(addition: Addition) -> int:
    return len(getattr(addition.record, "body", None) or b"")
