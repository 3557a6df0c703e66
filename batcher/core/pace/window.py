"""How many attempts may be in flight: grown while answers come back clean, cut when they do not."""

from collections import deque
from dataclasses import dataclass, field

from batcher.core.pace.observed_limit import EPISODE_S

_FIRST = 1.0
_START = 8.0
_LEAST = 2.0
_GENTLE_GROWTH = 0.05
_SANE_FROM = 20
_REFUSED_CUT = 0.8
_FAILED_CUT = 0.5
_LOOKED_AT = 40
_FAILED_SHARE = 0.2
_OLD_SHARE = 0.9
_LATENCY_RATE = 0.1
_SANE_LATENCY = 3.0
_DRIFT = 1.001


@dataclass(slots=True)
class Window:
    """A congestion window (V. Jacobson, 1988), with the constants of a simulation of ours.

    The first request goes alone: it tells the limits, and whether anything works at all. From 8 on
    each clean answer adds one, which doubles the window in the time of an answer; after the first
    cut growth is gentle, a twentieth in that time, and bolder with each such time without another
    cut, where headers tell the limits; where they do not, refusals are all there is to go by. It
    only grows while at least half of it is in use, and not while answers take three times as long
    as they did at best: a server that only queues what it gets is not made faster. That is a rough
    measure: long answers take longer than short ones, so only the average is looked at, not before
    the twentieth answer, and the best is slowly forgotten.

    A refusal (429) cuts it to 0.8, failures to a half once they are a fifth of the last forty
    answers, both at most every 2.5 s: what was in flight at the same time tells the same. Trouble
    at the API says nothing of our limits: once it is over growth is quick up to nearly the size
    before it.

    Cuts leave 2, so that one attempt that hangs does not stop the others. Never above
    ``cap``. Times are seconds of any monotonic clock.
    """

    cap: int
    size: float = field(default=_FIRST, init=False)
    threshold: float = field(default=float("inf"), init=False)
    _cut_at: float = field(default=float("-inf"), init=False)
    _rounds: float = field(default=0.0, init=False)
    _timed: int = field(default=0, init=False)
    _recent: deque[bool] = field(default_factory=lambda: deque(maxlen=_LOOKED_AT), init=False)
    _latency_s: float = field(default=0.0, init=False)
    _best_s: float = field(default=float("inf"), init=False)

    def has_room(self, in_flight: int) -> bool:
        """Whether one more may leave."""
        return in_flight < int(self.size)

    @property
    def is_whole(self) -> bool:
        """Whether it is as large as it may be."""
        return self.size >= self.cap

    def answered(
        self, in_flight: int, latency_s: float | None = None, *, knows_limits: bool = False
    ) -> None:
        """Count a clean answer; ``in_flight`` includes it.

        ``latency_s`` is left out of an answer that was not worked for, such as a refused request.
        """
        self._recent.append(True)
        self._rounds += 1 / self.size
        if latency_s is not None:
            self._see_latency(latency_s)
        if self.size < _START <= self.threshold:
            self._set(_START)
        elif in_flight * 2 >= self.size and self._is_sane:
            self._set(self.size + self._growth(knows_limits=knows_limits))

    def _growth(self, *, knows_limits: bool) -> float:
        if self.size < self.threshold:
            return 1.0
        boldness = max(1.0, self._rounds) if knows_limits else 1.0
        return max(1 / self.size, min(1.0, _GENTLE_GROWTH * boldness))

    def refused(self, in_flight: int, now: float) -> None:
        """Count a 429; one of the first few requests says nothing of a size to be careful from."""
        if self._cut(_REFUSED_CUT, in_flight, now) and in_flight >= _START:
            self.threshold = self.size

    def failed(self, in_flight: int, now: float) -> None:
        """Count a server in trouble, a broken connection or a timeout."""
        self._recent.append(False)
        failures = self._recent.count(False)
        if len(self._recent) >= _LOOKED_AT // 4 and failures > _FAILED_SHARE * len(self._recent):
            self._remember()
            self._cut(_FAILED_CUT, in_flight, now)

    def start(self) -> None:
        """Go on though the first answer is not there yet; it may take its time."""
        self._set(max(self.size, _START))

    def restart(self) -> None:
        """Begin anew after an outage."""
        self._remember()
        self._set(_FIRST)
        self._recent.clear()

    @property
    def _is_sane(self) -> bool:
        return self._latency_s <= _SANE_LATENCY * self._best_s

    def _see_latency(self, latency_s: float) -> None:
        self._timed += 1
        rate = max(_LATENCY_RATE, 1 / self._timed)
        self._latency_s += rate * (latency_s - self._latency_s)
        if self._timed >= _SANE_FROM:
            self._best_s = min(self._best_s * _DRIFT, self._latency_s)

    def _remember(self) -> None:
        """Let nearly the size before the trouble be the one to be careful from, once it is over."""
        known = self.threshold if self.threshold < float("inf") else 0.0
        self.threshold = max(_START, known, _OLD_SHARE * self.size)

    def _cut(self, factor: float, in_flight: int, now: float) -> bool:
        if now - self._cut_at < EPISODE_S:
            return False
        self._cut_at = now
        self._rounds = 0.0
        self._set(max(_LEAST, factor * min(self.size, in_flight)))
        return True

    def _set(self, size: float) -> None:
        self.size = min(max(1.0, size), float(self.cap))
