"""How long batches take: never less than a floor, mostly under an hour, some up to the limit.

A batch of n requests takes ``floor_s`` and a lognormal time whose median is ``median_s`` from
10,000 requests on, and smaller by the square root of n / 10,000 below. The defaults give one
request 63 to 140 seconds, 10,000 requests a mode of 6 minutes and a median of 26, and 1 batch of
100 more than 8 hours. No distribution is published; that of the API will differ.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

from batcher.simulator.model.seeded_random import SeededRandom

LARGE = 10_000
SMALLEST_FRACTION = 1e-9


@dataclass(frozen=True, slots=True)
class Durations:
    """The model of durations; ``spread`` is the deviation of the logarithm: 0 is always the median.

    ``floor_s`` is also the time from the start of an item to its result.
    """

    floor_s: float
    median_s: float
    spread: float
    seed: int

    def draw(self, number: int, requests: int) -> float:
        """Return the seconds until the last item of a batch begins, by the batch's number."""
        median = self.median_s * math.sqrt(min(1.0, requests / LARGE))
        if not self.spread:
            return median
        fraction = SeededRandom(self.seed, "batch duration", str(number)).fraction()
        deviation = NormalDist().inv_cdf(max(fraction, SMALLEST_FRACTION))
        return median * math.exp(self.spread * deviation)
