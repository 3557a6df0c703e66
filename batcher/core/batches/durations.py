"""How long batches take: what is known before the first one, and what a job's own batches tell.

No distribution is published. Reports of users have single requests in one or two minutes, small
batches in some minutes, most batches in less than an hour, and a few that take many hours or
expire. So a batch takes a minute at least, then a log-normal time, and a few never end in time.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

DAY_S = 86_400.0
"""A batch ends after 24 hours at the latest; what has not begun by then expires."""

_FLOOR_S = 60.0
_MEDIAN_S = 1_500.0  # of a batch with as many requests as _LARGE, or more
_LARGE = 10_000
_SPREAD = 1.5  # the deviation of the logarithm: one of six takes more than two hours
_EXPIRED = 0.02
_WEIGHT = 3.0  # the prior counts like this number of batches of the job
_LEAST_SPREAD = 0.5  # batches that were alike so far do not promise that the next one is
_STANDARD = NormalDist()


@dataclass(frozen=True, slots=True)
class Durations:
    """The distribution of the seconds from a batch's creation to its end.

    ``median_s`` and ``spread`` are those of a large batch above the floor; a smaller one takes less
    by the square root of its size. ``expired`` is the share that does not end before 24 hours.
    """

    median_s: float = _MEDIAN_S
    spread: float = _SPREAD
    expired: float = _EXPIRED

    @classmethod
    def learnt(cls, history: Iterable[tuple[int, float]]) -> "Durations":
        """Return the distribution after the job's batches: their requests and their seconds.

        Batches that were cancelled do not belong to the history, because they ended early.
        """
        observed = [(requests, min(seconds, DAY_S)) for requests, seconds in history]
        ended = [
            math.log(max(1.0, seconds - _FLOOR_S) / _size(requests))
            for requests, seconds in observed
            if seconds < DAY_S
        ]
        weight = _WEIGHT + len(ended)
        before = math.log(_MEDIAN_S)
        mean = (_WEIGHT * before + sum(ended)) / weight
        squares = sum((value - mean) ** 2 for value in ended)
        variance = (_WEIGHT * (_SPREAD**2 + (before - mean) ** 2) + squares) / weight
        prior = _WEIGHT * _EXPIRED
        expired = (prior + len(observed) - len(ended)) / (_WEIGHT + len(observed))
        return cls(math.exp(mean), max(_LEAST_SPREAD, math.sqrt(variance)), expired)

    def done_by(self, requests: int, age_s: float) -> float:
        """Return the chance that a batch has ended at this age."""
        if age_s >= DAY_S:
            return 1.0
        if age_s <= _FLOOR_S:
            return 0.0
        deviation = math.log((age_s - _FLOOR_S) / (self.median_s * _size(requests))) / self.spread
        return (1 - self.expired) * _STANDARD.cdf(deviation)

    def chance(self, requests: int, age_s: float, until_s: float) -> float:
        """Return the chance that a batch of this age, which has not ended, ends by another age."""
        if until_s <= age_s:
            return 0.0
        done, later = self.done_by(requests, age_s), self.done_by(requests, until_s)
        return 1.0 if done >= 1 else (later - done) / (1 - done)

    def age_at(self, requests: int, share: float, age_s: float = 0.0) -> float:
        """Return the age by which this share of the batches has ended that had not at ``age_s``."""
        done = self.done_by(requests, age_s)
        wanted = (done + share * (1 - done)) / (1 - self.expired)
        if not 0 < wanted < 1:
            return DAY_S if wanted >= 1 else age_s
        above = self.median_s * _size(requests) * math.exp(self.spread * _STANDARD.inv_cdf(wanted))
        return min(DAY_S, max(age_s, _FLOOR_S + above))


def _size(requests: int) -> float:
    return math.sqrt(min(1.0, max(1, requests) / _LARGE))
