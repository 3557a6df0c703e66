"""Chooses items of an output: by status, by a condition, or because their labels are in doubt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from batcher.core.quality.class_names import name_of
from batcher.core.quality.gold_labels import GoldLabels
from batcher.core.quality.gold_numbers import number_of
from batcher.core.quality.votes import vote, vote_of
from batcher.core.template.template import Expression
from batcher.errors import TemplateError

GOOD = ("succeeded", "skipped")
"""The statuses of rows that need no attention."""

FAILED = "failed"
"""Every status but the good ones."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item of an output: its status, and the values of the columns that a choice needs."""

    status: str
    values: Mapping[str, object]

    @property
    def labels(self) -> Mapping[str, object] | None:
        """The labels of a valid answer; None without one."""
        return self.values if self.status == "succeeded" else None


@dataclass(frozen=True, slots=True)
class LowConfidence:
    """Answers that state a confidence below ``below`` in the label ``column``."""

    column: str
    below: float


@dataclass(frozen=True, slots=True)
class Unevaluated:
    """How many items a condition could not be evaluated for, and why not for the first one."""

    items: int
    first_reason: str


@dataclass(slots=True)
class RowChoice:
    """Chooses among the items of one row after another; what is None or empty chooses all.

    With ``gold`` all items of a row are chosen whose label, that of the majority, differs from its
    gold label. With ``split`` all items of a row are chosen whose valid answers differ in one of
    these labels. The other conditions choose single items; all have to hold.
    """

    statuses: frozenset[str] = frozenset()
    where: Expression | None = None
    gold: GoldLabels | None = None
    low_confidence: LowConfidence | None = None
    split: tuple[str, ...] = ()
    _reasons: list[str] = field(default_factory=list)
    _unevaluated: int = 0

    def columns(self, names: Sequence[str]) -> frozenset[str]:
        """Return the columns that are needed of those with these ``names``."""
        needed = set(self.split)
        if self.gold is not None:
            needed.add(self.gold.field)
        if self.low_confidence is not None:
            needed.add(self.low_confidence.column)
        if self.where is not None:
            needed |= frozenset(names) if self.where.columns is None else self.where.columns
        return frozenset(needed)

    @property
    def unevaluated(self) -> Unevaluated | None:
        """The items so far for which ``where`` could not be evaluated; they are not chosen."""
        return Unevaluated(self._unevaluated, self._reasons[0]) if self._reasons else None

    def chosen(self, items: Sequence[Item], gold_cell: object = None) -> list[bool]:
        """Say of each item of a row whether it is chosen."""
        if self.gold is not None and not _differs(self.gold, gold_cell, items):
            return [False] * len(items)
        if self.split and not any(_is_split(name, items) for name in self.split):
            return [False] * len(items)
        return [self._is_chosen(item) for item in items]

    def _is_chosen(self, item: Item) -> bool:
        is_failed = item.status not in GOOD and FAILED in self.statuses
        if self.statuses and item.status not in self.statuses and not is_failed:
            return False
        return self._is_unsure(item) and self._holds(item)

    def _is_unsure(self, item: Item) -> bool:
        if self.low_confidence is None:
            return True
        labels = item.labels or {}
        stated = number_of(labels.get(self.low_confidence.column))
        return stated is not None and stated < self.low_confidence.below

    def _holds(self, item: Item) -> bool:
        if self.where is None:
            return True
        try:
            return self.where.is_true(item.values)
        except TemplateError as error:
            self._unevaluated += 1
            if not self._reasons:
                self._reasons.append(error.message.split("\n")[0])
            return False


def _differs(gold: GoldLabels, cell: object, items: Sequence[Item]) -> bool:
    """Whether a row has a gold label and another label; of several numbers the mean counts."""
    expected = gold.gold_value(cell)
    values = [vote_of(item.labels, gold.field) for item in items]
    if gold.kind.kind == "double":
        right, numbers = number_of(expected), [n for v in values if (n := number_of(v)) is not None]
        return right is not None and bool(numbers) and fmean(numbers) != right
    majority = vote(values)
    actual: Any = None if majority is None else gold.answer_value(majority.value)
    names = name_of(expected), name_of(actual)
    return None not in names and names[0] != names[1]


def _is_split(name: str, items: Sequence[Item]) -> bool:
    names = {name_of(vote_of(item.labels, name)) for item in items} - {None}
    return len(names) > 1
