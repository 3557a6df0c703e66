"""An expected value and the interval that is meant to hold the real one in nine of ten cases."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

_STANDARD = NormalDist()
TAIL = 0.05
"""What lies below the interval, and as much above it."""


@dataclass(frozen=True, slots=True)
class Spread:
    """``low`` and ``high`` are the 5th and the 95th percentile; all are of one unit."""

    expected: float
    low: float
    high: float

    def times(self, factor: float) -> "Spread":
        """Scale it by a number that is known and not negative."""
        return Spread(self.expected * factor, self.low * factor, self.high * factor)

    def plus(self, known: float) -> "Spread":
        """Add a number that is known."""
        return Spread(self.expected + known, self.low + known, self.high + known)


NOTHING = Spread(0.0, 0.0, 0.0)


def sum_of(spreads: Iterable[Spread]) -> Spread:
    """Add spreads that are independent of each other: their half-widths add up in squares."""
    parts = list(spreads)
    expected = sum(part.expected for part in parts)
    below = math.sqrt(sum((part.expected - part.low) ** 2 for part in parts))
    above = math.sqrt(sum((part.high - part.expected) ** 2 for part in parts))
    return Spread(expected, max(0.0, expected - below), expected + above)


def of_values(values: Sequence[float]) -> Spread:
    """Summarise values that are equally likely; at least one."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return Spread(
        sum(ordered) / len(ordered),
        ordered[round(TAIL * last)],
        ordered[round((1 - TAIL) * last)],
    )


def lognormal_values(median: float, sigma: float, number: int) -> list[float]:
    """So many equally likely values of a lognormal quantity."""
    return [
        median * math.exp(sigma * _STANDARD.inv_cdf((index + 0.5) / number))
        for index in range(number)
    ]


def log_uniform_values(low: float, high: float, number: int) -> list[float]:
    """So many equally likely values of a quantity of which only the order of magnitude is known.

    Each factor is as likely as another (Jeffreys, 1946, on scales).
    """
    span = math.log(high / low)
    return [low * math.exp(span * (index + 0.5) / number) for index in range(number)]


def student_quantile(degrees: float) -> float:
    """The 95th percentile of Student's t (Cornish and Fisher's expansion; Hill, 1970).

    Right to 0.5 % from four degrees of freedom on.
    """
    z = _STANDARD.inv_cdf(1 - TAIL)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3
