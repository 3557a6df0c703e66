"""Votes: the majority label of several answers to one row, and how far the answers agree."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from batcher.core.labels.label_columns import ColumnType
from batcher.core.quality.class_names import MAX_NAME_LENGTH, name_of

MAX_NAMES = 50_000
"""How many different labels are counted."""
_VOTED = {"boolean", "int64", "string", "enum", "date"}


class _Null:
    """The vote of a valid answer that leaves a field empty; a missing vote is None."""

    def __str__(self) -> str:
        return "null"


NULL = _Null()


@dataclass(frozen=True, slots=True)
class Vote:
    """The result of the answers of one row.

    ``label`` is the most frequent label, as the first such answer wrote it, or NULL. On a tie it is
    None: any rule (the first in the schema, a random one) would hide that the model is unsure, and
    favour a class.
    ``agreement`` is the share of answers with that label; on a tie, the share of each side.
    """

    label: Any
    agreement: float
    answers: int

    @property
    def value(self) -> Any:
        """The majority label as a column holds it."""
        return None if self.label is NULL else self.label

    @property
    def is_tie(self) -> bool:
        """Whether no label has more answers than every other label."""
        return self.label is None


def vote(labels: Sequence[object]) -> Vote | None:
    """Count the labels of one row; None stands for no answer; returns None without answers."""
    counts = _counts(labels)
    if not counts:
        return None
    (winner, votes), *others = counts.most_common(2)
    is_tie = bool(others) and others[0][1] == votes
    answers = counts.total()
    label = next(label for label in labels if name_of(label) == winner)
    return Vote(None if is_tie else label, votes / answers, answers)


def vote_of(answer: Mapping[str, object] | None, name: str) -> object:
    """Return an answer's vote on a field: NULL for an empty field, None for an invalid answer."""
    if answer is None:
        return None
    value = answer.get(name)
    return NULL if value is None else value


def voted_fields(columns: Mapping[str, ColumnType]) -> tuple[str, ...]:
    """Return the fields of an answer that can be voted on.

    A majority of lists or structs means nothing, and neither does one of floats: 0.71 and 0.72 do
    not disagree.
    """
    return tuple(name for name, column in columns.items() if column.kind in _VOTED)


def vote_by_field(
    answers: Sequence[Mapping[str, object]], fields: Sequence[str]
) -> dict[str, Vote]:
    """Vote on each field separately; all answers must be valid.

    No single answer need have the majority labels of all fields.
    """
    votes = ((name, vote([vote_of(answer, name) for answer in answers])) for name in fields)
    return {name: result for name, result in votes if result is not None}


@dataclass(slots=True)
class Agreement:
    """Measures how far the answers of each row agree, row by row, in bounded memory.

    Rows may have any number of answers; ``single_answers`` counts the rows with one, which say
    nothing about agreement. ``has_classes`` becomes false for a field with more than 50,000
    different labels or one longer than 200 characters: it then has no alpha.
    """

    single_answers: int = 0
    ties: int = 0
    has_classes: bool = True
    names: Counter[str] = field(default_factory=Counter)
    equal: Counter[int] = field(default_factory=Counter)
    shares: Counter[tuple[int, int]] = field(default_factory=Counter)

    def add(self, labels: Sequence[object]) -> None:
        """Add the answers of one row; None is no answer."""
        counts = _counts(labels)
        answers = counts.total()
        if answers < 2:
            self.single_answers += answers
            return
        ranked = counts.most_common(2)
        self.ties += len(ranked) == 2 and ranked[0][1] == ranked[1][1]
        self.shares[ranked[0][1], answers] += 1
        self.equal[answers] += sum(n * (n - 1) for n in counts.values())
        self._count(counts)

    def _count(self, counts: Counter[str]) -> None:
        if self.has_classes:
            self.names.update(counts)
            is_long = any(len(name) > MAX_NAME_LENGTH for name in counts)
            self.has_classes = not is_long and len(self.names) <= MAX_NAMES
        if not self.has_classes:
            self.names.clear()

    @property
    def rows(self) -> int:
        """The number of rows with two or more answers."""
        return self.shares.total()

    @property
    def unanimous(self) -> int:
        """The number of these rows in which all answers are the same."""
        return sum(rows for (votes, answers), rows in self.shares.items() if votes == answers)

    @property
    def mean_agreement(self) -> float | None:
        """The mean share of a row's answers with its most frequent label; None without rows."""
        if not self.rows:
            return None
        shares = sorted(self.shares.items())
        return sum(rows * votes / answers for (votes, answers), rows in shares) / self.rows

    @property
    def alpha(self) -> float | None:
        """Krippendorff's alpha of nominal labels (Computing Krippendorff's alpha, 2011).

        1 is full agreement, 0 is agreement by chance. None where it is not defined: no rows, a
        field without classes, or a single label. With the same number of answers in each row it is
        Fleiss' kappa, corrected for small samples.
        """
        total = self.names.total()
        unequal = total * (total - 1) - sum(n * (n - 1) for n in self.names.values())
        if not self.has_classes or not unequal:
            return None
        equal = sum(number / (answers - 1) for answers, number in sorted(self.equal.items()))
        return 1 - (total - equal) * (total - 1) / unequal

    def as_json(self) -> dict[str, Any]:
        """Return all figures for programs."""
        return {
            "rows": self.rows,
            "single_answer_rows": self.single_answers,
            "ties": self.ties,
            "unanimous": self.unanimous,
            "mean_agreement": self.mean_agreement,
            "alpha": self.alpha,
            "has_classes": self.has_classes,
        }


def _counts(labels: Sequence[object]) -> Counter[str]:
    return Counter(name for name in map(name_of, labels) if name is not None)
