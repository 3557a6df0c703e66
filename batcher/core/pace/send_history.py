"""Remembers when attempts were sent that the API did not refuse, and which rates these were."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

HISTORY_S = 10.0
"""How long attempts are remembered, in seconds."""

RECENT_S = 2.0
_SHORTEST_S = 0.05
_FEW = 2


class SendMark(NamedTuple):
    """When an attempt was sent, and the rate that was allowed then, in requests per second."""

    number: int
    sent_at: float
    rate: float


@dataclass(slots=True)
class SendHistory:
    """Remembers when attempts were sent, without those that were refused.

    Times are seconds of any monotonic clock, rates are requests per second.
    """

    number: int = field(default=0, init=False)
    passed: int = field(default=0, init=False)
    _first_at: float = field(default=float("inf"), init=False)
    _last_at: float = field(default=0.0, init=False)
    _sent_at: dict[int, float] = field(default_factory=dict, init=False)

    def add(self, now: float) -> int:
        """Count an attempt that is sent; return its number."""
        self.number += 1
        self.passed += 1
        self._first_at = min(self._first_at, now)
        self._sent_at[self.number] = self._last_at = now
        while self._sent_at[oldest := next(iter(self._sent_at))] < now - HISTORY_S:
            del self._sent_at[oldest]
        return self.number

    def on_refused(self, number: int) -> None:
        """Forget an attempt that was refused."""
        self.passed -= 1
        self._sent_at.pop(number, None)

    def passed_before(self, mark: SendMark) -> int:
        """Return how many attempts passed that were sent before this one."""
        return self.passed - (self.number - mark.number)

    @property
    def last(self) -> tuple[int, float]:
        """The number of the last attempt, and when it was sent."""
        return self.number, self._last_at

    def first_rate(self, mark: SendMark, until: tuple[int, float]) -> float:
        """Estimate the rate that is let through, from the first attempts that were refused.

        It is best seen in what passed between the first refused attempt and the last one that was
        sent before this was known, ``until``. Otherwise it is the rate before the refusal.
        """
        recent = self.recent_rate(mark)
        number, at = until
        if number - mark.number < _FEW or at <= mark.sent_at:
            return math.sqrt(recent * self._highest(mark)) if self.passed <= _FEW else recent
        passed = sum(mark.number < each <= number for each in self._sent_at)
        between = max(0.5, passed) / (at - mark.sent_at)
        is_long = mark.sent_at - self._first_at >= RECENT_S
        return max(between, recent) if is_long else between

    def _highest(self, mark: SendMark) -> float:
        """Return the rate of a bucket that one attempt emptied just before this one."""
        before = self._before(mark)
        return 1 / max(mark.sent_at - before[-1], _SHORTEST_S) if before else 1 / HISTORY_S

    def recent_rate(self, mark: SendMark) -> float:
        """Return the rate of the attempts in the two seconds before this one."""
        times = [time for time in self._before(mark) if time >= mark.sent_at - RECENT_S]
        if not times:
            return 1 / HISTORY_S
        return max(1, len(times) - 1) / max(mark.sent_at - times[0], _SHORTEST_S)

    def ten_second_rate(self, mark: SendMark) -> float:
        """Return the mean rate of the ten seconds before an attempt."""
        return max(1, len(self._before(mark))) / HISTORY_S

    def burst(self, mark: SendMark, rate: float) -> float:
        """Return how many attempts passed at once before this one that the rate does not explain.

        It is what a token bucket of this rate was short of, had it begun empty.
        """
        missing, last = 0.0, mark.sent_at
        for time in self._before(mark):
            missing = max(0.0, missing - rate * (time - last)) + 1
            last = time
        return max(0.0, missing - rate * (mark.sent_at - last))

    def _before(self, mark: SendMark) -> list[float]:
        return [time for number, time in self._sent_at.items() if number < mark.number]
