"""An expected value with the interval that should contain the real one in nine of ten cases."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

_STANDARD = NormalDist()
TAIL = 0.05
"""The probability below the interval, and the same above it."""


@dataclass(frozen=True, slots=True)
class Spread:
    """``low`` and ``high`` are the 5th and 95th percentiles; all three have the same unit."""

    expected: float
    low: float
    high: float

    def times(self, factor: float) -> "Spread":
        """Multiply by an exact, non-negative number."""
        return Spread(self.expected * factor, self.low * factor, self.high * factor)

    def plus(self, amount: float) -> "Spread":
        """Add an exact number."""
        return Spread(self.expected + amount, self.low + amount, self.high + amount)


ZERO = Spread(0.0, 0.0, 0.0)


def sum_of(spreads: Iterable[Spread]) -> Spread:
    """Add independent spreads: the squares of their half-widths add up."""
    parts = list(spreads)
    expected = sum(part.expected for part in parts)
    below = math.sqrt(sum((part.expected - part.low) ** 2 for part in parts))
    above = math.sqrt(sum((part.high - part.expected) ** 2 for part in parts))
    return Spread(expected, max(0.0, expected - below), expected + above)


def of_values(values: Sequence[float]) -> Spread:
    """Summarise equally likely values; at least one."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return Spread(
        sum(ordered) / len(ordered),
        ordered[round(TAIL * last)],
        ordered[round((1 - TAIL) * last)],
    )


def lognormal_values(median: float, sigma: float, number: int) -> list[float]:
    """Return ``number`` equally likely values of a lognormal quantity."""
    return [
        median * math.exp(sigma * _STANDARD.inv_cdf((index + 0.5) / number))
        for index in range(number)
    ]


def log_uniform_values(low: float, high: float, number: int) -> list[float]:
    """Return ``number`` equally likely values of a quantity with an unknown order of magnitude.

    Its logarithm is uniform between the ends (Jeffreys, 1946, on scale parameters).
    """
    span = math.log(high / low)
    return [low * math.exp(span * (index + 0.5) / number) for index in range(number)]


def student_quantile(degrees: float) -> float:
    """Return the 95th percentile of Student's t (Cornish-Fisher expansion; Hill, 1970).

    Accurate to 0.5 % from four degrees of freedom on.
    """
    z = _STANDARD.inv_cdf(1 - TAIL)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3
