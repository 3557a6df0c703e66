"""Several answers to one row: the majority's label, and how far the answers agree."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from batcher.core.labels.label_columns import ColumnType
from batcher.core.quality.names import LONGEST_NAME, name_of

MOST_NAMES = 50_000
"""Different labels that are counted apart."""
_VOTED = {"boolean", "int64", "string", "enum", "date"}


class _Null:
    """What a valid answer says that leaves a field empty: a vote for nothing, and not no vote."""

    def __str__(self) -> str:
        return "null"


NULL = _Null()


@dataclass(frozen=True, slots=True)
class Vote:
    """What the answers of one row come to.

    ``label`` is what most of them say, as it was said first, or NULL. It is None on a tie: any rule
    for one (the first in the schema, a coin) would hide that the model does not know, and favour a
    class.
    ``agreement`` is the share of answers that say it, of a tie that of each side.
    """

    label: Any
    agreement: float
    answers: int

    @property
    def value(self) -> Any:
        """What most of them say, as a column holds it."""
        return None if self.label is NULL else self.label

    @property
    def is_tie(self) -> bool:
        """Whether no label has more answers than every other."""
        return self.label is None


def vote(labels: Sequence[object]) -> Vote | None:
    """Count the answers of one row; None is no answer, and without any there is no vote."""
    counts = _counts(labels)
    if not counts:
        return None
    (first, most), *others = counts.most_common(2)
    is_tie = bool(others) and others[0][1] == most
    answers = counts.total()
    said = next(label for label in labels if name_of(label) == first)
    return Vote(None if is_tie else said, most / answers, answers)


def said_of(answer: Mapping[str, object] | None, name: str) -> object:
    """What an answer says of a field: NULL for nothing; None of an answer that is not valid."""
    if answer is None:
        return None
    value = answer.get(name)
    return NULL if value is None else value


def voted_fields(columns: Mapping[str, ColumnType]) -> tuple[str, ...]:
    """The fields of an answer that can be voted on.

    Lists and structs have no majority that means anything, and neither have fractions: 0.71 and
    0.72 are no disagreement.
    """
    return tuple(name for name, column in columns.items() if column.kind in _VOTED)


def vote_by_field(
    answers: Sequence[Mapping[str, object]], fields: Sequence[str]
) -> dict[str, Vote]:
    """Vote on each field for itself; all answers are valid ones.

    The majority's labels of two fields may never have been said together.
    """
    votes = ((name, vote([said_of(answer, name) for answer in answers])) for name in fields)
    return {name: found for name, found in votes if found is not None}


@dataclass(slots=True)
class Agreement:
    """How far the answers of all rows agree, in bounded memory: rows are taken one by one.

    Rows may have any number of answers; those with fewer than two say nothing and are counted as
    ``single``. A field with more than 50,000 labels, or one longer than 200 characters,
    ``is_open``: it has shares, but no alpha.
    """

    single: int = 0
    ties: int = 0
    is_open: bool = False
    names: Counter[str] = field(default_factory=Counter)
    equal: Counter[int] = field(default_factory=Counter)
    shares: Counter[tuple[int, int]] = field(default_factory=Counter)

    def add(self, labels: Sequence[object]) -> None:
        """Take the answers of one row into account; None is no answer."""
        counts = _counts(labels)
        answers = counts.total()
        if answers < 2:
            self.single += answers
            return
        ranked = counts.most_common(2)
        self.ties += len(ranked) == 2 and ranked[0][1] == ranked[1][1]
        self.shares[ranked[0][1], answers] += 1
        self.equal[answers] += sum(n * (n - 1) for n in counts.values())
        self._count(counts)

    def _count(self, counts: Counter[str]) -> None:
        if not self.is_open:
            self.names.update(counts)
            is_long = any(len(name) > LONGEST_NAME for name in counts)
            self.is_open = is_long or len(self.names) > MOST_NAMES
        if self.is_open:
            self.names.clear()

    @property
    def rows(self) -> int:
        """How many rows have two answers or more."""
        return self.shares.total()

    @property
    def unanimous(self) -> int:
        """In how many of them all answers are the same."""
        return sum(rows for (most, answers), rows in self.shares.items() if most == answers)

    @property
    def mean_share(self) -> float | None:
        """The share of a row's answers that say what most say, over all rows; None without any."""
        if not self.rows:
            return None
        shares = sorted(self.shares.items())
        return sum(rows * most / answers for (most, answers), rows in shares) / self.rows

    @property
    def alpha(self) -> float | None:
        """Krippendorff's alpha of nominal labels (Computing Krippendorff's alpha, 2011).

        1 for full agreement, 0 for what chance would do. None where there is nothing to tell: no
        rows, an open field, or one label only, which chance would say as well. With the same number
        of answers in each row it is Fleiss' kappa, corrected for few rows.
        """
        total = self.names.total()
        unequal = total * (total - 1) - sum(n * (n - 1) for n in self.names.values())
        if self.is_open or not unequal:
            return None
        equal = sum(number / (answers - 1) for answers, number in sorted(self.equal.items()))
        return 1 - (total - equal) * (total - 1) / unequal

    def as_json(self) -> dict[str, Any]:
        """All of it for programs."""
        return {
            "rows": self.rows,
            "single": self.single,
            "ties": self.ties,
            "unanimous": self.unanimous,
            "mean_share": self.mean_share,
            "alpha": self.alpha,
            "is_open": self.is_open,
        }


def _counts(labels: Sequence[object]) -> Counter[str]:
    return Counter(name for name in map(name_of, labels) if name is not None)
