"""Labels compared with gold labels: the confusion matrix and the figures from it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from batcher.core.quality.class_names import MAX_NAME_LENGTH, name_of
from batcher.core.quality.interval import Share, wilson

MAX_PAIRS = 50_000
"""How many different pairs of gold label and answer are counted."""
_MAX_CLASSES_REPORTED = 200
_MAX_PAIRS_REPORTED = 4_000


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """The figures of one class; ``support`` counts its gold labels, ``answers`` its answers.

    A figure that would divide by zero is 0, as in scikit-learn with ``zero_division=0``.
    """

    name: str
    support: int
    precision: float
    recall: float
    f1: float
    answers: int


@dataclass(slots=True)
class GoldComparison:
    """Compares pairs of labels one by one, by the names of their classes, in bounded memory.

    ``unlabelled`` rows have a gold label and no answer (or null), ``without_gold`` rows an answer
    and no gold label: both are reported, and the figures include neither. ``total`` rows have
    both; in ``correct`` of them they are equal.

    ``has_classes`` becomes false after more than 50,000 different pairs or a value longer than 200
    characters: such a field has an accuracy and no figures by class.
    """

    unlabelled: int = 0
    without_gold: int = 0
    total: int = 0
    correct: int = 0
    has_classes: bool = True
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, gold: object, label: object) -> None:
        """Add one row; None (or a NaN) means no label."""
        expected, actual = name_of(gold), name_of(label)
        if expected is None:
            self.without_gold += actual is not None
        elif actual is None:
            self.unlabelled += 1
        else:
            self.total += 1
            self.correct += expected == actual
            self._count((expected, actual))

    def _count(self, pair: tuple[str, str]) -> None:
        is_new = pair not in self.pairs
        if is_new and (len(self.pairs) >= MAX_PAIRS or max(map(len, pair)) > MAX_NAME_LENGTH):
            self.has_classes = False
            self.pairs.clear()
        if self.has_classes:
            self.pairs[pair] += 1

    @property
    def coverage(self) -> float | None:
        """The share of rows with a gold label that have an answer; None without gold labels."""
        with_gold = self.total + self.unlabelled
        return self.total / with_gold if with_gold else None

    @property
    def accuracy(self) -> Share | None:
        """The share of equal pairs; None without pairs."""
        return wilson(self.correct, self.total) if self.total else None

    @property
    def names(self) -> list[str]:
        """Every class that is a gold label or an answer, sorted."""
        return sorted({name for pair in self.pairs for name in pair})

    def classes(self) -> list[ClassFigures]:
        """Return the figures of each class, sorted by name; empty for a field without classes."""
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
        """Return the number of gold labels and the number of answers of each class."""
        golds, labels = Counter[str](), Counter[str]()
        for (gold, label), number in self.pairs.items():
            golds[gold] += number
            labels[label] += number
        return golds, labels

    @property
    def macro_f1(self) -> float | None:
        """The mean F1 of the classes, all with the same weight; None without classes."""
        figures = self.classes()
        return sum(entry.f1 for entry in figures) / len(figures) if figures else None

    @property
    def weighted_f1(self) -> float | None:
        """The mean F1 of the classes, weighted by their gold labels; None without classes."""
        figures = self.classes()
        return sum(entry.f1 * entry.support for entry in figures) / self.total if figures else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa (1960): agreement beyond chance, from 1 (full) to 0 (chance) and below.

        None where it is not defined: no rows, a field without classes, or a single class, which
        chance would predict as well (scikit-learn returns nan there).
        """
        golds, labels = self._margins()
        by_chance = sum(number * labels[name] for name, number in golds.items())
        beyond_chance = self.total**2 - by_chance
        if not self.has_classes or not beyond_chance:
            return None
        return (self.total * self.correct - by_chance) / beyond_chance

    def confusions(self) -> Iterator[tuple[str, str, int]]:
        """Yield gold label, answer and count of the pairs that differ, most frequent first."""
        return (entry for entry in self._ranked() if entry[0] != entry[1])

    def _ranked(self) -> list[tuple[str, str, int]]:
        pairs = [(*pair, number) for pair, number in self.pairs.items()]
        return sorted(pairs, key=lambda entry: (-entry[2], entry[0], entry[1]))

    def as_json(self) -> dict[str, Any]:
        """Return all figures for programs; the order of rows does not change the result.

        ``confusion`` has the matrix entries that are not 0, as [gold, answer, count]. Only the 200
        classes with the most gold labels and the 4,000 largest entries are included;
        ``classes_total`` and ``confusion_total`` are the numbers of all.
        """
        accuracy, classes, pairs = self.accuracy, self.classes(), self._ranked()
        frequent = sorted(classes, key=lambda entry: (-entry.support, -entry.answers, entry.name))
        reported = sorted(frequent[:_MAX_CLASSES_REPORTED], key=lambda entry: entry.name)
        return {
            "rows": self.total,
            "unlabelled": self.unlabelled,
            "without_gold": self.without_gold,
            "coverage": self.coverage,
            "accuracy": None if accuracy is None else accuracy.as_json(),
            "macro_f1": self.macro_f1,
            "weighted_f1": self.weighted_f1,
            "kappa": self.kappa,
            "has_classes": self.has_classes,
            "classes_total": len(classes),
            "classes": {entry.name: _class_json(entry) for entry in reported},
            "confusion_total": len(pairs),
            "confusion": [list(entry) for entry in pairs[:_MAX_PAIRS_REPORTED]],
        }


def _class_json(figures: ClassFigures) -> dict[str, float]:
    return {
        "support": figures.support,
        "answers": figures.answers,
        "precision": figures.precision,
        "recall": figures.recall,
        "f1": figures.f1,
    }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
