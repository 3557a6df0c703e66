"""Numbers against gold numbers: how far off answers are, and whether they follow."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(slots=True)
class Numbers:
    """Takes pairs of numbers one by one and keeps sums only.

    What is no finite number (a text, a boolean, null, NaN) counts as missing: ``unlabelled`` rows
    have a gold number and no answer, ``ungolden`` ones an answer and no gold number.
    """

    total: int = 0
    unlabelled: int = 0
    ungolden: int = 0
    off: float = 0.0
    means: tuple[float, float] = (0.0, 0.0)
    squares: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def add(self, gold: object, label: object) -> None:
        """Take one row into account."""
        wanted, answered = number_of(gold), number_of(label)
        if wanted is None:
            self.ungolden += answered is not None
        elif answered is None:
            self.unlabelled += 1
        else:
            self._take(wanted, answered)

    def _take(self, gold: float, label: float) -> None:
        """Update means and squares (Welford, 1962): nothing large cancels."""
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
        self.off += abs(label - gold)

    @property
    def mean_absolute_error(self) -> float | None:
        """How far off an answer is at the mean, in the field's own unit; None without rows."""
        return _finite(self.off / self.total) if self.total else None

    @property
    def mean_error(self) -> float | None:
        """How much too high answers are at the mean, negative when too low; None without rows."""
        return _finite(self.means[1] - self.means[0]) if self.total else None

    @property
    def correlation(self) -> float | None:
        """Pearson's; None where one side never changes, as correlation is then not defined."""
        gold, both, label = self.squares
        scale = math.sqrt(gold) * math.sqrt(label)
        if not scale:
            return None
        found = _finite(both / scale)
        return None if found is None else min(1.0, max(-1.0, found))

    def as_json(self) -> dict[str, Any]:
        """All of it for programs."""
        return {
            "rows": self.total,
            "unlabelled": self.unlabelled,
            "without_gold": self.ungolden,
            "mean_absolute_error": self.mean_absolute_error,
            "mean_error": self.mean_error,
            "correlation": self.correlation,
        }


def number_of(value: object) -> float | None:
    """A value as a number; None for what is none, or none that a double can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        return _finite(float(value))
    except (OverflowError, ValueError):
        return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
