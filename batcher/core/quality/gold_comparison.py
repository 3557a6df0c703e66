"""Labels against the gold column: a confusion matrix, and what follows from it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from batcher.core.quality.interval import Share, wilson
from batcher.core.quality.names import LONGEST_NAME, name_of

MOST_PAIRS = 50_000
"""Different pairs of gold label and answer that are counted apart."""
_MOST_CLASSES_TOLD = 200
_MOST_PAIRS_TOLD = 4_000


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class: how many gold labels and how many answers are it, and how well it was found.

    A figure without anything to divide by is 0, as scikit-learn has it with ``zero_division=0``.
    """

    name: str
    support: int
    precision: float
    recall: float
    f1: float
    answers: int


@dataclass(slots=True)
class GoldComparison:
    """Takes pairs of labels one by one, in bounded memory; classes are compared by their names.

    ``unlabelled`` rows have a gold label and no answer (or null for one), ``ungolden`` ones an
    answer and no gold label: neither counts in the figures, both are told. ``total`` rows have
    both, of which ``hits`` are equal.

    A field of which there are more than 50,000 different pairs, or a value longer than 200
    characters, ``is_open``: it has no classes, so that of all figures only the accuracy is left.
    """

    unlabelled: int = 0
    ungolden: int = 0
    total: int = 0
    hits: int = 0
    is_open: bool = False
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, gold: object, label: object) -> None:
        """Take one row into account; None (or a NaN) is no label."""
        wanted, answered = name_of(gold), name_of(label)
        if wanted is None:
            self.ungolden += answered is not None
        elif answered is None:
            self.unlabelled += 1
        else:
            self.total += 1
            self.hits += wanted == answered
            self._count((wanted, answered))

    def _count(self, pair: tuple[str, str]) -> None:
        is_new = pair not in self.pairs
        if is_new and (len(self.pairs) >= MOST_PAIRS or max(map(len, pair)) > LONGEST_NAME):
            self.is_open = True
            self.pairs.clear()
        if not self.is_open:
            self.pairs[pair] += 1

    @property
    def coverage(self) -> float | None:
        """The share of rows with a gold label that have an answer; None without any."""
        wanted = self.total + self.unlabelled
        return self.total / wanted if wanted else None

    @property
    def accuracy(self) -> Share | None:
        """The share of equal pairs; None without any pair."""
        return wilson(self.hits, self.total) if self.total else None

    @property
    def names(self) -> list[str]:
        """Every class that is a gold label or an answer, sorted."""
        return sorted({name for pair in self.pairs for name in pair})

    def classes(self) -> list[ClassFigures]:
        """The figures of each class, in the order of their names; none for an open field."""
        golds, labels = self._margins()
        return [
            ClassFigures(
                name,
                golds[name],
                _ratio(self.pairs[name, name], labels[name]),
                _ratio(self.pairs[name, name], golds[name]),
                _ratio(2 * self.pairs[name, name], golds[name] + labels[name]),
                labels[name],
            )
            for name in self.names
        ]

    def _margins(self) -> tuple[Counter[str], Counter[str]]:
        """How many gold labels, and how many answers, each class has."""
        golds, labels = Counter[str](), Counter[str]()
        for (gold, label), number in self.pairs.items():
            golds[gold] += number
            labels[label] += number
        return golds, labels

    @property
    def macro_f1(self) -> float | None:
        """The mean of the classes' F1, each class counting alike; None without any."""
        figures = self.classes()
        return sum(one.f1 for one in figures) / len(figures) if figures else None

    @property
    def weighted_f1(self) -> float | None:
        """The mean of the classes' F1, each class counting by its gold labels; None without any."""
        figures = self.classes()
        return sum(one.f1 * one.support for one in figures) / self.total if figures else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa (1960): agreement beyond chance, 1 for all of it and 0 for none.

        None where there is nothing to tell: no rows, an open field, or one class only, which
        chance would find as well (scikit-learn says nan there).
        """
        golds, labels = self._margins()
        by_chance = sum(number * labels[name] for name, number in golds.items())
        room = self.total**2 - by_chance
        if self.is_open or not room:
            return None
        return (self.total * self.hits - by_chance) / room

    def confusions(self) -> Iterator[tuple[str, str, int]]:
        """Gold label, answer and number of the pairs that differ, the most frequent first."""
        return (one for one in self._ranked() if one[0] != one[1])

    def _ranked(self) -> list[tuple[str, str, int]]:
        pairs = [(*pair, number) for pair, number in self.pairs.items()]
        return sorted(pairs, key=lambda one: (-one[2], one[0], one[1]))

    def as_json(self) -> dict[str, Any]:
        """All of it for programs, in an order that does not depend on that of the rows.

        Of the matrix it holds the entries that are not 0, as [gold, answer, number]. Above 200
        classes only those with the most gold labels are told, and above 4,000 entries only the
        largest; ``classes_total`` and ``confusion_total`` say how many there are.
        """
        accuracy, classes, pairs = self.accuracy, self.classes(), self._ranked()
        frequent = sorted(classes, key=lambda one: (-one.support, -one.answers, one.name))
        told = sorted(frequent[:_MOST_CLASSES_TOLD], key=lambda one: one.name)
        return {
            "rows": self.total,
            "unlabelled": self.unlabelled,
            "without_gold": self.ungolden,
            "coverage": self.coverage,
            "accuracy": None if accuracy is None else accuracy.as_json(),
            "macro_f1": self.macro_f1,
            "weighted_f1": self.weighted_f1,
            "kappa": self.kappa,
            "is_open": self.is_open,
            "classes_total": len(classes),
            "classes": {one.name: _class_json(one) for one in told},
            "confusion_total": len(pairs),
            "confusion": [list(one) for one in pairs[:_MOST_PAIRS_TOLD]],
        }


def _class_json(one: ClassFigures) -> dict[str, float]:
    return {
        "support": one.support,
        "answers": one.answers,
        "precision": one.precision,
        "recall": one.recall,
        "f1": one.f1,
    }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
