"""The gold of a job: right labels in an input column, read the way answers are."""

from dataclasses import dataclass

from batcher.core.labelling.columns import ColumnType
from batcher.core.labelling.labels import Labels
from batcher.core.quality.names import name_of

_TRUE_OR_FALSE = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NUMBERS = ("int64", "double")
_OF_MANY_PARTS = ("list", "struct", "json")


@dataclass(frozen=True, slots=True)
class Gold:
    """The input column that holds right labels, and the field of an answer that they are about."""

    column: str
    field: str
    labels: Labels

    @classmethod
    def of(cls, labels: Labels, column: str, named: str | None = None) -> "Gold":
        """Gold about the field that is named, else about the first that is a choice."""
        choices = (name for name, kind in labels.columns.items() if kind.is_choice)
        return cls(column, named or next(choices, next(iter(labels.columns))), labels)

    @property
    def kind(self) -> ColumnType:
        """What the field holds."""
        return self.labels.columns[self.field]

    @property
    def is_comparable(self) -> bool:
        """Whether an answer can be equal to gold at all; lists and objects are not compared."""
        return self.kind.kind not in _OF_MANY_PARTS

    def value(self, cell: object) -> object:
        """Read a cell of the column; None where there is no gold.

        People keep gold in files of all sorts, where nothing may be an empty text, numbers and
        truth values may be texts, and choices are written in other capitals.
        """
        name = name_of(cell)
        if name is None or not name.strip():
            return None
        if self.kind.kind == "boolean":
            return _TRUE_OR_FALSE.get(name.strip().casefold(), cell)
        if self.kind.kind in _NUMBERS and isinstance(cell, str):
            return _number(cell)
        return self.labels.judge.spelt(self.field, cell)

    def is_possible(self, value: object) -> bool:
        """Whether an answer could say what ``value`` gave."""
        return not self.kind.is_choice or self.labels.judge.fits(self.field, value)


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text
