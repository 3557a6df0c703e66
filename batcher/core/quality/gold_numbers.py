"""Numbers compared with gold numbers: their errors and their correlation."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(slots=True)
class NumberComparison:
    """Compares pairs of numbers one by one and keeps only sums.

    A value that is not a finite number (a text, a boolean, null, NaN) counts as missing:
    ``unlabelled`` rows have a gold number and no answer, ``without_gold`` rows the reverse.
    """

    total: int = 0
    unlabelled: int = 0
    without_gold: int = 0
    absolute_errors: float = 0.0
    means: tuple[float, float] = (0.0, 0.0)
    squares: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def add(self, gold: object, label: object) -> None:
        """Add one row."""
        expected, actual = number_of(gold), number_of(label)
        if expected is None:
            self.without_gold += actual is not None
        elif actual is None:
            self.unlabelled += 1
        else:
            self._add_pair(expected, actual)

    def _add_pair(self, gold: float, label: float) -> None:
        """Update means and squares by Welford's method (1962), which keeps precision."""
        self.total += 1
        before = gold - self.means[0], label - self.means[1]
        self.means = (
            self.means[0] + before[0] / self.total,
            self.means[1] + before[1] / self.total,
        )
        after = gold - self.means[0], label - self.means[1]
        self.squares = (
            self.squares[0] + before[0] * after[0],
            self.squares[1] + before[0] * after[1],
            self.squares[2] + before[1] * after[1],
        )
        self.absolute_errors += abs(label - gold)

    @property
    def mean_absolute_error(self) -> float | None:
        """The mean distance of an answer from gold, in the field's own unit; None without rows."""
        return _finite(self.absolute_errors / self.total) if self.total else None

    @property
    def mean_error(self) -> float | None:
        """The mean of answer minus gold: positive when answers are too high; None without rows."""
        return _finite(self.means[1] - self.means[0]) if self.total else None

    @property
    def correlation(self) -> float | None:
        """Pearson's correlation; None when one side is constant: it is not defined then."""
        gold, both, label = self.squares
        scale = math.sqrt(gold) * math.sqrt(label)
        if not scale:
            return None
        correlation = _finite(both / scale)
        return None if correlation is None else min(1.0, max(-1.0, correlation))

    def as_json(self) -> dict[str, Any]:
        """Return all figures for programs."""
        return {
            "rows": self.total,
            "unlabelled": self.unlabelled,
            "without_gold": self.without_gold,
            "mean_absolute_error": self.mean_absolute_error,
            "mean_error": self.mean_error,
            "correlation": self.correlation,
        }


def number_of(value: object) -> float | None:
    """Return a value as a float; None when it is not a number, or too large for a float."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        return _finite(float(value))
    except (OverflowError, ValueError):
        return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
