"""How long sending takes: a run played through in a few steps, with limits and a growing window."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from batcher.core.pace.kinds import Amounts, Kind, Limiter

FIRST_WINDOW = 8.0
"""How many requests leave once the first was answered; see ``core.pace.window``."""

_STEPS_A_DOUBLING = 8
_SHORTEST_S = 0.001
_USED = 0.985  # of a limit at the mean: a margin is left untouched (docs/pacing.md)


@dataclass(frozen=True, slots=True)
class KnownLimit:
    """A limit a minute, and how much of it is there at once when a run begins."""

    per_minute: float
    burst: float


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be sent: ``each`` is what one request takes of the limits at the mean.

    ``latency_s`` is how long an answer takes at the mean, ``slowest_s`` how long one in a hundred
    takes, which is what a run waits for at its end. ``concurrency`` is how many may be in flight.
    """

    requests: int
    each: Amounts
    latency_s: float
    slowest_s: float
    concurrency: int


@dataclass(frozen=True, slots=True)
class Duration:
    """How long it takes in seconds, and what limits it for most of that time."""

    seconds: float
    limiter: Limiter


def duration(work: Work, limits: Mapping[Kind, KnownLimit]) -> Duration:
    """Play a run through: the first request alone, then a window that doubles until a limit holds.

    Limits that are not known hold nobody up here, so that it takes at least so long.
    """
    if not work.requests:
        return Duration(0.0, Limiter.DRAINING)
    run = _Run(work, limits)
    run.ramp()
    run.finish()
    return Duration(run.seconds + run.last_answers_s, run.limiter)


class _Run:
    """Where the run is that is played through: seconds, what is left, what the limits hold."""

    def __init__(self, work: Work, limits: Mapping[Kind, KnownLimit]) -> None:
        self._work = work
        self._latency_s = max(work.latency_s, _SHORTEST_S)
        self._uses = {kind: work.each.of(kind) for kind in limits}
        self._refills = {kind: limit.per_minute / 60 * _USED for kind, limit in limits.items()}
        self._full = {kind: limit.burst for kind, limit in limits.items()}
        self._window = min(FIRST_WINDOW, work.concurrency)
        self._left = max(0.0, work.requests - 1 - self._window)
        begun = work.requests - self._left
        self._levels = {kind: self._full[kind] - begun * use for kind, use in self._uses.items()}
        self.seconds = self._latency_s
        self.limiter = Limiter.RAMPING

    def ramp(self) -> None:
        """Let the window double in the time of an answer until it is whole or a limit holds.

        For each answer two requests leave then: one in its place, and one more.
        """
        step_s = self._latency_s / _STEPS_A_DOUBLING
        while self._window < self._work.concurrency and self._left > 0:
            rate = 2 * math.log(2) * self._window / self._latency_s
            if self._is_dry(rate, step_s):
                return
            self._go(rate, step_s)
            self._window *= 2 ** (1 / _STEPS_A_DOUBLING)

    def finish(self) -> None:
        """Send the rest as the tightest limit lets it, with what it still holds or is overdrawn."""
        takes_s = {Limiter.CONCURRENCY: self._left * self._latency_s / self._work.concurrency}
        for kind, use in self._uses.items():
            missing = self._left * use - self._levels[kind]
            takes_s[Limiter.of(kind)] = missing / self._refills[kind]
        limiter = max(takes_s, key=lambda word: takes_s[word])
        if takes_s[limiter] > 0:
            self.limiter = limiter
            # Those that left within the time of an answer are in flight then, earlier ones, too.
            share = min(1.0, takes_s[limiter] / self._latency_s)
            late = self._left * share * self._latency_s / takes_s[limiter]
            self._window = late + self._window * (1 - share)
            self.seconds += takes_s[limiter]

    @property
    def last_answers_s(self) -> float:
        """How long the slowest of those takes that are in flight when the last one leaves.

        One in a hundred is known; of more or fewer it goes by the logarithm of their number.
        """
        others = self._work.requests - 1
        if not others:
            return 0.0
        latency_s, in_flight = self._latency_s, max(1.0, min(others, self._window))
        slowest_s = max(latency_s, self._work.slowest_s)
        return latency_s + (slowest_s - latency_s) * math.log(in_flight) / math.log(100)

    def _is_dry(self, rate: float, step_s: float) -> bool:
        """Whether a limit does not hold as much as a step at this rate takes."""
        return any(
            self._levels[kind] + self._refills[kind] * step_s < rate * use * step_s
            for kind, use in self._uses.items()
        )

    def _go(self, rate: float, step_s: float) -> None:
        step_s = min(step_s, self._left / rate)
        self._left -= rate * step_s
        self.seconds += step_s
        for kind, use in self._uses.items():
            level = self._levels[kind] + (self._refills[kind] - rate * use) * step_s
            self._levels[kind] = min(self._full[kind], level)
