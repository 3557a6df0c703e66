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
            self._take(1, abs(answered - wanted), (wanted, answered), (0.0, 0.0, 0.0))

    def merge(self, other: "Numbers") -> None:
        """Take all that another one has seen into account."""
        self.unlabelled += other.unlabelled
        self.ungolden += other.ungolden
        if other.total:
            self._take(other.total, other.off, other.means, other.squares)

    def _take(
        self,
        number: int,
        off: float,
        means: tuple[float, float],
        squares: tuple[float, float, float],
    ) -> None:
        """Add the sums of other rows (Chan, Golub and LeVeque, 1979): nothing large cancels."""
        total = self.total + number
        gold, label = means[0] - self.means[0], means[1] - self.means[1]
        scale = self.total * number / total
        products = (gold * gold, gold * label, label * label)
        self.squares = (
            self.squares[0] + squares[0] + scale * products[0],
            self.squares[1] + squares[1] + scale * products[1],
            self.squares[2] + squares[2] + scale * products[2],
        )
        self.means = (
            self.means[0] + gold * number / total,
            self.means[1] + label * number / total,
        )
        self.off += off
        self.total = total

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
