"""Measures whether the confidence that a model states agrees with how often it is right."""

from dataclasses import asdict, dataclass, field
from typing import Any

from batcher.core.quality.gold_numbers import number_of

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """The answers with a confidence from ``low`` to below ``high`` (the last bin includes 1).

    ``confidence`` is their mean confidence, ``accuracy`` the share of them that is right.
    """

    low: float
    high: float
    answers: int
    confidence: float
    accuracy: float


@dataclass(slots=True)
class Calibration:
    """Counts the stated confidences, from 0 to 1, of right and wrong answers.

    ``unusable`` counts the values that are not a number from 0 to 1; no figure includes them.
    """

    unusable: int = 0
    answers: list[int] = field(default_factory=lambda: [0] * BINS)
    right: list[int] = field(default_factory=lambda: [0] * BINS)
    confidence_sums: list[float] = field(default_factory=lambda: [0.0] * BINS)

    def add(self, confidence: object, is_right: bool) -> None:
        """Add one answer."""
        number = number_of(confidence)
        if number is None or not 0 <= number <= 1:
            self.unusable += 1
            return
        index = min(int(number * BINS), BINS - 1)
        self.answers[index] += 1
        self.right[index] += is_right
        self.confidence_sums[index] += number

    @property
    def total(self) -> int:
        """The number of answers with a usable confidence."""
        return sum(self.answers)

    def bins(self) -> list[Bin]:
        """Return the bins that have answers, lowest confidence first."""
        return [
            Bin(
                index / BINS,
                (index + 1) / BINS,
                answers,
                self.confidence_sums[index] / answers,
                self.right[index] / answers,
            )
            for index, answers in enumerate(self.answers)
            if answers
        ]

    @property
    def expected_error(self) -> float | None:
        """Expected calibration error (Naeini et al., 2015), from 0 to 1; None without answers.

        The mean difference of confidence and accuracy over the bins, weighted by their answers. It
        depends on the bins and is never quite 0 in small samples.
        """
        if not self.total:
            return None
        differences = (
            entry.answers * abs(entry.confidence - entry.accuracy) for entry in self.bins()
        )
        return sum(differences) / self.total

    def as_json(self) -> dict[str, Any]:
        """Return all figures for programs."""
        return {
            "answers": self.total,
            "unusable": self.unusable,
            "expected_calibration_error": self.expected_error,
            "bins": [asdict(entry) for entry in self.bins()],
        }
