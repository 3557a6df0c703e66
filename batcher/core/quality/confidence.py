"""Whether the confidence that a model states is how often it is right."""

from dataclasses import dataclass, field
from typing import Any

from batcher.core.quality.numbers import number_of

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """The rows with a confidence from ``low`` to below ``high`` (1 is in the last)."""

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


@dataclass(slots=True)
class Confidence:
    """Takes stated confidences, from 0 to 1, of answers that were right or wrong.

    ``unusable`` are those that are no number from 0 to 1; they count in no figure.
    """

    unusable: int = 0
    rows: list[int] = field(default_factory=lambda: [0] * BINS)
    right: list[int] = field(default_factory=lambda: [0] * BINS)
    stated: list[float] = field(default_factory=lambda: [0.0] * BINS)

    def add(self, confidence: object, is_right: bool) -> None:
        """Take one answer into account."""
        stated = number_of(confidence)
        if stated is None or not 0 <= stated <= 1:
            self.unusable += 1
            return
        place = min(int(stated * BINS), BINS - 1)
        self.rows[place] += 1
        self.right[place] += is_right
        self.stated[place] += stated

    @property
    def total(self) -> int:
        """How many answers have a usable confidence."""
        return sum(self.rows)

    def bins(self) -> list[Bin]:
        """The bins that have rows, the least confident first."""
        return [
            Bin(
                place / BINS,
                (place + 1) / BINS,
                rows,
                self.stated[place] / rows,
                self.right[place] / rows,
            )
            for place, rows in enumerate(self.rows)
            if rows
        ]

    @property
    def expected_error(self) -> float | None:
        """Expected calibration error (Naeini et al., 2015), from 0 to 1; None without answers.

        By how much confidence and accuracy differ in a bin, at the mean over answers. It depends on
        the bins and is never quite 0 in small samples.
        """
        if not self.total:
            return None
        return (
            sum(one.rows * abs(one.confidence - one.accuracy) for one in self.bins()) / self.total
        )

    def as_json(self) -> dict[str, Any]:
        """All of it for programs."""
        return {
            "rows": self.total,
            "unusable": self.unusable,
            "expected_calibration_error": self.expected_error,
            "bins": [
                {
                    "low": one.low,
                    "high": one.high,
                    "rows": one.rows,
                    "confidence": one.confidence,
                    "accuracy": one.accuracy,
                }
                for one in self.bins()
            ],
        }
