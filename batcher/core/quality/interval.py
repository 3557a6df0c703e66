"""The interval of a share."""

import math
from dataclasses import dataclass

Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Share:
    """A share, and the ends of its 95 % interval; all from 0 to 1."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, float]:
        """The same for programs."""
        return {"value": self.value, "low": self.low, "high": self.high}


def wilson(hits: int, trials: int) -> Share:
    """The Wilson score interval (E. B. Wilson, 1927): fit for few trials and shares near 0 or 1.

    It takes the trials for independent: rows that share one answer make it too narrow. ValueError
    without a trial.
    """
    if trials <= 0:
        raise ValueError("a share needs at least one trial")
    share, z2 = hits / trials, Z_95**2
    centre = share + z2 / (2 * trials)
    half = Z_95 * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    scale = 1 + z2 / trials
    low = 0.0 if hits == 0 else (centre - half) / scale
    return Share(share, low, 1.0 if hits == trials else (centre + half) / scale)
