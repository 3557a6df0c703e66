"""The congestion window: how many attempts may be in flight, widened by success, cut by failure."""

from collections import deque
from dataclasses import dataclass, field

from batcher.core.pace.observed_limit import EPISODE_S

_FIRST = 1.0
_START = 8.0
_MIN_AFTER_CUT = 2.0
_GENTLE_GROWTH = 0.05
_LATENCY_FROM = 20  # the responses after which their mean latency counts
_REFUSED_CUT = 0.8
_FAILED_CUT = 0.5
_RECENT = 40
_FAILED_SHARE = 0.2
_OLD_SHARE = 0.9
_LATENCY_RATE = 0.1
_MAX_SLOWDOWN = 3.0
_BEST_DRIFT = 1.001


@dataclass(slots=True)
class Window:
    """A congestion window (V. Jacobson, 1988); its constants come from ``tests/pacing``.

    Start: the first request goes alone, because it shows the limits and whether anything works at
    all. Then the window is 8.

    Growth: each success adds one, which doubles the window in the time of one response. After the
    first cut it grows by a twentieth in that time. Where headers show the limits, growth becomes
    faster with each such time without another cut; where they do not, refusals are the only sign
    of a limit, and growth stays gentle. The window grows only while at least half of it is in use,
    and while the mean latency is at most three times the best: more requests do not make a server
    faster that only queues them. That is a rough measure, because long answers take longer than
    short ones. So it uses the mean, starts with the twentieth response, and slowly forgets the
    best.

    Cuts: a 429 cuts the window to 0.8. Failures cut it to a half once they are a fifth of the last
    forty responses. There is at most one cut in 2.5 s, because attempts in flight at the same time
    meet the same state. Failures of the API say nothing about our limits: after them the window
    grows quickly to nearly the size before. Cuts leave at least 2, so that one attempt that hangs
    does not stop the others.

    The window is never larger than ``cap``. Times are seconds of any monotonic clock.
    """

    cap: int
    size: float = field(default=_FIRST, init=False)
    threshold: float = field(default=float("inf"), init=False)
    _cut_at: float = field(default=float("-inf"), init=False)
    _rounds: float = field(default=0.0, init=False)
    _timed: int = field(default=0, init=False)
    _recent: deque[bool] = field(default_factory=lambda: deque(maxlen=_RECENT), init=False)
    _latency_s: float = field(default=0.0, init=False)
    _best_s: float = field(default=float("inf"), init=False)

    def has_room(self, in_flight: int) -> bool:
        """Return whether one more attempt may be sent."""
        return in_flight < int(self.size)

    @property
    def is_starting(self) -> bool:
        """Whether the window still doubles in the time of one response."""
        return self.size < min(self.threshold, self.cap)

    @property
    def latency_s(self) -> float:
        """The mean latency of responses; 0 before the first one."""
        return self._latency_s

    @property
    def is_at_cap(self) -> bool:
        """Whether the window is as large as it may become."""
        return self.size >= self.cap

    def on_success(
        self, in_flight: int, latency_s: float | None = None, *, knows_limits: bool = False
    ) -> None:
        """Count a success; ``in_flight`` includes it.

        ``latency_s`` is None for a response that took no work, such as one to a bad request.
        """
        self._recent.append(True)
        self._rounds += 1 / self.size
        if latency_s is not None:
            self._update_latency(latency_s)
        if self.size < _START <= self.threshold:
            self._resize(_START)
        elif in_flight * 2 >= self.size and self._is_fast_enough:
            self._resize(self.size + self._growth(knows_limits=knows_limits))

    def _growth(self, *, knows_limits: bool) -> float:
        if self.size < self.threshold:
            return 1.0
        speed = max(1.0, self._rounds) if knows_limits else 1.0
        return max(1 / self.size, min(1.0, _GENTLE_GROWTH * speed))

    def on_refused(self, in_flight: int, now: float) -> None:
        """Count a 429; with only a few requests in flight it sets no threshold for growth."""
        if self._cut(_REFUSED_CUT, in_flight, now) and in_flight >= _START:
            self.threshold = self.size

    def forget_refusals(self) -> None:
        """Grow quickly again: what was refused says nothing about how many may be in flight."""
        self.threshold = float("inf")

    def on_failure(self, in_flight: int, now: float) -> None:
        """Count a server error, a broken connection or a timeout."""
        self._recent.append(False)
        failures = self._recent.count(False)
        if len(self._recent) >= _RECENT // 4 and failures > _FAILED_SHARE * len(self._recent):
            self._remember_size()
            self._cut(_FAILED_CUT, in_flight, now)

    def start(self) -> None:
        """Stop waiting for the first response, which may take long."""
        self._resize(max(self.size, _START))

    def restart(self) -> None:
        """Start again after an outage."""
        self._remember_size()
        self._resize(_FIRST)
        self._recent.clear()

    @property
    def _is_fast_enough(self) -> bool:
        return self._latency_s <= _MAX_SLOWDOWN * self._best_s

    def _update_latency(self, latency_s: float) -> None:
        self._timed += 1
        rate = max(_LATENCY_RATE, 1 / self._timed)
        self._latency_s += rate * (latency_s - self._latency_s)
        if self._timed >= _LATENCY_FROM:
            self._best_s = min(self._best_s * _BEST_DRIFT, self._latency_s)

    def _remember_size(self) -> None:
        """Let growth be quick up to nearly the size before the failures."""
        known = self.threshold if self.threshold < float("inf") else 0.0
        self.threshold = max(_START, known, _OLD_SHARE * self.size)

    def _cut(self, factor: float, in_flight: int, now: float) -> bool:
        if now - self._cut_at < EPISODE_S:
            return False
        self._cut_at = now
        self._rounds = 0.0
        self._resize(max(_MIN_AFTER_CUT, factor * min(self.size, in_flight)))
        return True

    def _resize(self, size: float) -> None:
        self.size = min(max(1.0, size), float(self.cap))
