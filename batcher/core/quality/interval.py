"""The confidence interval of a share."""

import math
from dataclasses import dataclass

Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Share:
    """A share and the ends of its 95 % interval, all from 0 to 1."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, float]:
        """Return the same for programs."""
        return {"value": self.value, "low": self.low, "high": self.high}


def wilson(successes: int, trials: int) -> Share:
    """Return the Wilson score interval (E. B. Wilson, 1927).

    It fits small samples and shares near 0 or 1. It assumes independent trials: rows that share one
    answer make it too narrow. Raises ValueError for no trials.
    """
    if trials <= 0:
        raise ValueError("a share needs at least one trial")
    share, z2 = successes / trials, Z_95**2
    centre = share + z2 / (2 * trials)
    half = Z_95 * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    scale = 1 + z2 / trials
    low = 0.0 if successes == 0 else (centre - half) / scale
    return Share(share, low, 1.0 if successes == trials else (centre + half) / scale)
