"""The duration of sending: simulates a run in a few steps, with limits and a growing window."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from batcher.core.pace.kinds import Amounts, Kind, KnownLimit, Limiter

FIRST_WINDOW = 8.0
"""The number of requests sent after the first response; see ``core.pace.window``."""

_STEPS_PER_DOUBLING = 8
_SHORTEST_S = 0.001
_USED = 0.985  # the mean share of a limit that is used; a margin stays free (docs/pacing.md)


@dataclass(frozen=True, slots=True)
class Work:
    """The requests to send: ``per_request`` is the mean amount of each limit that one uses.

    ``latency_s`` is the mean latency. ``slowest_s`` is its 99th percentile, for the slowest
    responses at the end of a run. ``concurrency`` is the number of requests that may be in flight.
    """

    requests: int
    per_request: Amounts
    latency_s: float
    slowest_s: float
    concurrency: int


@dataclass(frozen=True, slots=True)
class Duration:
    """The duration in seconds, and the limiter for most of that time."""

    seconds: float
    limiter: Limiter


def duration(work: Work, limits: Mapping[Kind, KnownLimit]) -> Duration:
    """Simulate a run: the first request alone, then a window that doubles up to a limit.

    Unknown limits are ignored, so the real run takes at least this long.
    """
    if not work.requests:
        return Duration(0.0, Limiter.DRAINING)
    run = _Run(work, limits)
    run.ramp()
    run.finish()
    return Duration(run.seconds + run.last_answers_s, run.limiter)


class _Run:
    """The state of a simulated run: seconds, requests left, and the levels of the limits."""

    def __init__(self, work: Work, limits: Mapping[Kind, KnownLimit]) -> None:
        self._work = work
        self._latency_s = max(work.latency_s, _SHORTEST_S)
        self._uses = {kind: work.per_request.of(kind) for kind in limits}
        self._refills = {kind: limit.per_minute / 60 * _USED for kind, limit in limits.items()}
        self._full = {kind: limit.burst for kind, limit in limits.items()}
        self._window = min(FIRST_WINDOW, work.concurrency)
        self._left = max(0.0, work.requests - 1 - self._window)
        sent = work.requests - self._left
        self._levels = {kind: self._full[kind] - sent * use for kind, use in self._uses.items()}
        self.seconds = self._latency_s
        self.limiter = Limiter.RAMPING

    def ramp(self) -> None:
        """Double the window per latency until it is full or a limit is reached.

        Each response then lets two requests be sent: its replacement and one more.
        """
        step_s = self._latency_s / _STEPS_PER_DOUBLING
        while self._window < self._work.concurrency and self._left > 0:
            rate = 2 * math.log(2) * self._window / self._latency_s
            if self._exceeds_a_limit(rate, step_s):
                return
            self._send(rate, step_s)
            self._window *= 2 ** (1 / _STEPS_PER_DOUBLING)

    def finish(self) -> None:
        """Send the rest at the rate of the tightest limit, starting from its current level."""
        takes_s = {Limiter.CONCURRENCY: self._left * self._latency_s / self._work.concurrency}
        for kind, use in self._uses.items():
            missing = self._left * use - self._levels[kind]
            takes_s[Limiter.of(kind)] = missing / self._refills[kind]
        limiter = max(takes_s, key=lambda word: takes_s[word])
        if takes_s[limiter] > 0:
            self.limiter = limiter
            # Requests sent within the last latency are still in flight, and some earlier ones.
            share = min(1.0, takes_s[limiter] / self._latency_s)
            late = self._left * share * self._latency_s / takes_s[limiter]
            self._window = late + self._window * (1 - share)
            self.seconds += takes_s[limiter]

    @property
    def last_answers_s(self) -> float:
        """The latency of the slowest request in flight when the last one is sent.

        The 99th percentile is known; for other numbers of requests it is scaled by their logarithm.
        """
        others = self._work.requests - 1
        if not others:
            return 0.0
        latency_s, in_flight = self._latency_s, max(1.0, min(others, self._window))
        slowest_s = max(latency_s, self._work.slowest_s)
        return latency_s + (slowest_s - latency_s) * math.log(in_flight) / math.log(100)

    def _exceeds_a_limit(self, rate: float, step_s: float) -> bool:
        """Whether a step at this rate uses more than the level of a limit."""
        return any(
            self._levels[kind] + self._refills[kind] * step_s < rate * use * step_s
            for kind, use in self._uses.items()
        )

    def _send(self, rate: float, step_s: float) -> None:
        step_s = min(step_s, self._left / rate)
        self._left -= rate * step_s
        self.seconds += step_s
        for kind, use in self._uses.items():
            level = self._levels[kind] + (self._refills[kind] - rate * use) * step_s
            self._levels[kind] = min(self._full[kind], level)
