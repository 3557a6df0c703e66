"""What a run's labels come to, row by row: votes, gold, stated confidence, and their spread."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from batcher.core.labels.label_columns import ColumnType
from batcher.core.quality.confidence import Confidence
from batcher.core.quality.drift import Drift, drift
from batcher.core.quality.gold import Gold
from batcher.core.quality.gold_comparison import GoldComparison
from batcher.core.quality.names import name_of
from batcher.core.quality.numbers import Numbers, number_of
from batcher.core.quality.report import (
    agreement_lines,
    comparison_lines,
    confidence_lines,
    drift_lines,
    number_lines,
)
from batcher.core.quality.votes import Agreement, said_of, vote_by_field, voted_fields

_CONFIDENCE = "confidence"

_MOST_CLASSES = 1_000
_NUMBERS = ("int64", "double")

Labelled = Mapping[str, Any] | None
"""A checked answer; None where there is no valid one."""


@dataclass(slots=True)
class Tally:
    """Takes the rows of an output one by one.

    With several answers to a row, what most of them say is the row's label: rows are what figures
    count. ``then`` has the new labels of the last whole run, by field and class; ``is_whole`` says
    that this is one, too.
    """

    columns: Mapping[str, ColumnType]
    gold: Gold | None = None
    then: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    is_whole: bool = True
    compared: GoldComparison = field(init=False)
    single: GoldComparison = field(init=False)
    numbers: Numbers = field(default_factory=Numbers)
    confidence: Confidence = field(default_factory=Confidence)
    agreement: dict[str, Agreement] = field(default_factory=dict)
    classes: dict[str, Counter[str]] = field(default_factory=dict)
    new: dict[str, Counter[str]] = field(default_factory=dict)
    _voted: tuple[str, ...] = field(init=False)
    _confidence: str | None = field(init=False)

    def __post_init__(self) -> None:
        # What is no choice is content: it has an accuracy, and no classes that are told.
        is_open = self.gold is None or not self.gold.has_classes
        self.compared, self.single = (
            GoldComparison(is_open=is_open),
            GoldComparison(is_open=is_open),
        )
        self._voted = voted_fields(self.columns)
        ends = (name for name in self.columns if name.lower().endswith(_CONFIDENCE))
        self._confidence = next(ends, None)

    def add(self, gold: object, answers: Sequence[Labelled], *, is_new: bool) -> None:
        """Take a row into account: its gold value, and its checked answers (None: not valid).

        ``is_new`` says that it was answered since the last run.
        """
        labels = self._labels(answers)
        for name, column in self.columns.items():
            named = name_of(labels.get(name))
            if column.is_choice and named is not None:
                self.classes.setdefault(name, Counter())[named] += 1
                if is_new:
                    self.new.setdefault(name, Counter())[named] += 1
        if len(answers) > 1:
            self._agree(answers)
        if self.gold is not None:
            self._compare(self.gold, gold, labels, answers)

    def _labels(self, answers: Sequence[Labelled]) -> Mapping[str, Any]:
        """What a row's answers come to: of several the majority's labels."""
        if len(answers) == 1:
            return answers[0] or {}
        known = [one for one in answers if one is not None]
        votes = vote_by_field(known, self._voted)
        return {name: one.value for name, one in votes.items()}

    def _agree(self, answers: Sequence[Labelled]) -> None:
        for name in self._voted:
            said = [said_of(one, name) for one in answers]
            self.agreement.setdefault(name, Agreement()).add(said)

    def _compare(
        self, gold: Gold, cell: object, labels: Mapping[str, Any], answers: Sequence[Labelled]
    ) -> None:
        """Hold a row against its gold value, and each answer's confidence against its being right.

        Several numbers are held against it by their mean.
        """
        right = gold.value(cell)
        said = [None if one is None else gold.label(one.get(gold.field)) for one in answers]
        if gold.kind.kind in _NUMBERS:
            numbers = [found for one in said if (found := number_of(one)) is not None]
            self.numbers.add(right, fmean(numbers) if numbers else None)
        if gold.kind.kind == "double":
            return
        self.compared.add(right, gold.label(labels.get(gold.field)))
        if len(said) > 1:
            for one in said:
                self.single.add(right, one)
        self._hold_confidence(right, said, answers)

    def _hold_confidence(
        self, right: object, said: Sequence[object], answers: Sequence[Labelled]
    ) -> None:
        stated = self._confidence
        if right is None or stated is None:
            return
        for one, answer in zip(said, answers, strict=True):
            if answer is not None and answer.get(stated) is not None:
                self.confidence.add(answer[stated], is_right=name_of(one) == name_of(right))

    def drifts(self) -> dict[str, Drift]:
        """How far the new labels of each field are from those of the last whole run."""
        if not self.is_whole:
            return {}
        found = {name: drift(self.then.get(name, {}), now) for name, now in self.new.items()}
        return {name: one for name, one in found.items() if one is not None}

    def as_json(self) -> dict[str, Any]:
        """All of it for programs."""
        told: dict[str, Any] = {
            "classes": _counts(self.classes),
            "new_classes": _counts(self.new) if self.is_whole else {},
            "drift": {name: one.as_json() for name, one in self.drifts().items()},
            "votes": {name: one.as_json() for name, one in self.agreement.items()},
        }
        if self.gold is not None:
            told["gold"] = {"column": self.gold.column, "field": self.gold.field}
            told["gold"] |= self._compared_json()
            if self.agreement and self.gold.kind.kind != "double":
                told["gold"]["of_single_answers"] = self.single.as_json()
            if self.confidence.total or self.confidence.unusable:
                told["confidence"] = self.confidence.as_json()
        return told

    def _compared_json(self) -> dict[str, Any]:
        """Of numbers how far they are off, of all but fractions how often they are right."""
        assert self.gold is not None  # noqa: S101 - who asks has looked
        told = {} if self.gold.kind.kind == "double" else self.compared.as_json()
        return told | (self.numbers.as_json() if self.gold.kind.kind in _NUMBERS else {})

    def lines(self) -> Iterator[str]:
        """What is said of it at the end of a run."""
        if self.gold is not None:
            if self.gold.kind.kind != "double":
                yield from comparison_lines(self.gold.field, self.compared)
            if self.gold.kind.kind in _NUMBERS:
                yield from number_lines(self.gold.field, self.numbers)
            if self.confidence.total:
                yield from confidence_lines(self._confidence or _CONFIDENCE, self.confidence)
        for name, agreement in self.agreement.items():
            if self.columns[name].is_choice:
                yield from agreement_lines(name, agreement)
        for name, one in self.drifts().items():
            if one.is_real:
                yield from drift_lines(name, one)


def _counts(classes: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
    return {name: dict(one.most_common(_MOST_CLASSES)) for name, one in classes.items()}
