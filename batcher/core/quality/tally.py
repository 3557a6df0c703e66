"""The label quality of a run, row by row: votes, gold labels, confidence and drift."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from batcher.core.labels.label_columns import ColumnType
from batcher.core.quality.calibration import Calibration
from batcher.core.quality.class_names import name_of
from batcher.core.quality.drift import Drift, drift
from batcher.core.quality.gold_comparison import GoldComparison
from batcher.core.quality.gold_labels import GoldLabels
from batcher.core.quality.gold_numbers import NumberComparison, number_of
from batcher.core.quality.report import (
    agreement_lines,
    calibration_lines,
    comparison_lines,
    drift_lines,
    number_lines,
)
from batcher.core.quality.votes import Agreement, vote_by_field, vote_of, voted_fields

_CONFIDENCE = "confidence"

_MAX_CLASSES = 1_000
_NUMBERS = ("int64", "double")

ValidAnswer = Mapping[str, Any] | None
"""The fields of an answer that fits the schema; None without such an answer."""


@dataclass(slots=True)
class Tally:
    """Counts the rows of an output one by one.

    All figures count rows: with several answers to a row, the majority labels are the row's labels.
    ``previous`` has the counts of new labels of the last run over the whole input, by field and
    class; ``is_whole`` says that this run covers the whole input too.
    """

    columns: Mapping[str, ColumnType]
    gold: GoldLabels | None = None
    previous: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    is_whole: bool = True
    majority: GoldComparison = field(init=False)
    single_answers: GoldComparison = field(init=False)
    numbers: NumberComparison = field(default_factory=NumberComparison)
    calibration: Calibration = field(default_factory=Calibration)
    agreement: dict[str, Agreement] = field(default_factory=dict)
    class_counts: dict[str, Counter[str]] = field(default_factory=dict)
    new_class_counts: dict[str, Counter[str]] = field(default_factory=dict)
    _voted: tuple[str, ...] = field(init=False)
    _confidence: str | None = field(init=False)

    def __post_init__(self) -> None:
        # Values of a field that is not a choice are content: they have an accuracy only.
        has_classes = self.gold is not None and self.gold.has_classes
        self.majority = GoldComparison(has_classes=has_classes)
        self.single_answers = GoldComparison(has_classes=has_classes)
        self._voted = voted_fields(self.columns)
        confidences = (name for name in self.columns if name.lower().endswith(_CONFIDENCE))
        self._confidence = next(confidences, None)

    def add(self, gold: object, answers: Sequence[ValidAnswer], *, is_new: bool) -> None:
        """Add a row: its cell of the gold column and its answers.

        ``is_new`` says that it was answered since the last run.
        """
        labels = self._labels(answers)
        for name, column in self.columns.items():
            label = name_of(labels.get(name))
            if column.is_choice and label is not None:
                self.class_counts.setdefault(name, Counter())[label] += 1
                if is_new:
                    self.new_class_counts.setdefault(name, Counter())[label] += 1
        if len(answers) > 1:
            self._add_agreement(answers)
        if self.gold is not None:
            self._compare(self.gold, gold, labels, answers)

    def _labels(self, answers: Sequence[ValidAnswer]) -> Mapping[str, Any]:
        """Return the labels of a row: those of its only answer, or of the majority."""
        if len(answers) == 1:
            return answers[0] or {}
        valid = [answer for answer in answers if answer is not None]
        votes = vote_by_field(valid, self._voted)
        return {name: vote.value for name, vote in votes.items()}

    def _add_agreement(self, answers: Sequence[ValidAnswer]) -> None:
        for name in self._voted:
            votes = [vote_of(answer, name) for answer in answers]
            self.agreement.setdefault(name, Agreement()).add(votes)

    def _compare(
        self,
        gold: GoldLabels,
        cell: object,
        labels: Mapping[str, Any],
        answers: Sequence[ValidAnswer],
    ) -> None:
        """Compare a row, and the stated confidence of each answer, with the row's gold label.

        Of several numbers the mean is compared.
        """
        expected = gold.gold_value(cell)
        values = [
            None if answer is None else gold.answer_value(answer.get(gold.field))
            for answer in answers
        ]
        if gold.kind.kind in _NUMBERS:
            numbers = [number for value in values if (number := number_of(value)) is not None]
            self.numbers.add(expected, fmean(numbers) if numbers else None)
        if gold.kind.kind == "double":
            return
        self.majority.add(expected, gold.answer_value(labels.get(gold.field)))
        if len(values) > 1:
            for value in values:
                self.single_answers.add(expected, value)
        self._add_confidence(expected, values, answers)

    def _add_confidence(
        self, expected: object, values: Sequence[object], answers: Sequence[ValidAnswer]
    ) -> None:
        name = self._confidence
        if expected is None or name is None:
            return
        for value, answer in zip(values, answers, strict=True):
            if answer is not None and answer.get(name) is not None:
                is_right = name_of(value) == name_of(expected)
                self.calibration.add(answer[name], is_right=is_right)

    def drifts(self) -> dict[str, Drift]:
        """Return how far the new labels of each field differ from those of the last whole run."""
        if not self.is_whole:
            return {}
        drifts = {
            name: drift(self.previous.get(name, {}), counts)
            for name, counts in self.new_class_counts.items()
        }
        return {name: result for name, result in drifts.items() if result is not None}

    def as_json(self) -> dict[str, Any]:
        """Return all figures for programs: ``quality`` of run.json."""
        figures: dict[str, Any] = {
            "class_counts": _counts(self.class_counts),
            "new_class_counts": _counts(self.new_class_counts) if self.is_whole else {},
            "drift": {name: result.as_json() for name, result in self.drifts().items()},
            "votes": {name: result.as_json() for name, result in self.agreement.items()},
        }
        if self.gold is not None:
            figures["gold"] = self._gold_json(self.gold)
            if self.calibration.total or self.calibration.unusable:
                figures["confidence"] = self.calibration.as_json()
        return figures

    def _gold_json(self, gold: GoldLabels) -> dict[str, Any]:
        """Return the comparison with gold.

        Mean absolute error for numeric fields; exact-match rate for all fields except floats.
        """
        figures: dict[str, Any] = {"column": gold.column, "field": gold.field}
        if gold.kind.kind != "double":
            figures |= self.majority.as_json()
        if gold.kind.kind in _NUMBERS:
            figures |= self.numbers.as_json()
        if self.agreement and gold.kind.kind != "double":
            figures["single_answers"] = self.single_answers.as_json()
        return figures

    def lines(self) -> Iterator[str]:
        """Yield the report for the end of a run."""
        if self.gold is not None:
            if self.gold.kind.kind != "double":
                yield from comparison_lines(self.gold.field, self.majority)
            if self.gold.kind.kind in _NUMBERS:
                yield from number_lines(self.gold.field, self.numbers)
            if self.calibration.total:
                yield from calibration_lines(self._confidence or _CONFIDENCE, self.calibration)
        for name, agreement in self.agreement.items():
            if self.columns[name].is_choice:
                yield from agreement_lines(name, agreement)
        for name, result in self.drifts().items():
            if result.is_significant:
                yield from drift_lines(name, result)


def _counts(fields: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
    return {name: dict(counts.most_common(_MAX_CLASSES)) for name, counts in fields.items()}
