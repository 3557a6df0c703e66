"""The gold of a job: right labels in an input column, read the way answers are."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from batcher.core.labels.cell_values import cell as cell_of
from batcher.core.labels.label_columns import ColumnType
from batcher.core.labels.labels import Labels
from batcher.core.labels.schema.merging import choices
from batcher.core.labels.schema.references import alternatives, resolved
from batcher.core.quality.names import name_of

_TRUE_OR_FALSE = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_OF_MANY_PARTS = ("list", "struct", "json")
_OF_TIME = ("date", "timestamp")

STRANGER = "(none of the choices)"
"""The class of a gold label that no answer can have; its own name is a row's content."""


@dataclasses.dataclass(frozen=True, slots=True)
class Gold:
    """The input column that holds right labels, and the field of an answer that they are about.

    ``classes`` are the names that a column of numbers stands for, as in Hugging Face's
    ``ClassLabel``.
    """

    column: str
    field: str
    kind: ColumnType
    classes: Sequence[str] = ()
    _choices: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls, labels: Labels, column: str, named: str | None = None, classes: Sequence[str] = ()
    ) -> "Gold":
        """Gold about the field that is named, else about the first that is a choice."""
        found = (name for name, kind in labels.columns.items() if kind.is_choice)
        name = named or next(found, next(iter(labels.columns)))
        schema = resolved(labels.schema, labels.schema)["properties"][name]
        values = list(_choices(schema, labels.schema))
        by_name = {str(name_of(one)): one for one in values}
        folded = {_folded(one): one for one in values}
        # Of two choices that differ in capitals only each is itself.
        alike = folded if len(folded) == len(values) else {}
        return cls(column, name, labels.columns[name], classes, alike | by_name)

    @property
    def is_comparable(self) -> bool:
        """Whether an answer can be equal to gold at all; lists and objects are not compared."""
        return self.kind.kind not in _OF_MANY_PARTS

    @property
    def has_classes(self) -> bool:
        """Whether it is about a field of a few values; all others are content, and not told."""
        return self.kind.is_choice or bool(self._choices)

    def value(self, cell: object) -> object:
        """Read a cell of the column; None where there is no gold, STRANGER where it is no choice.

        People keep gold in files of all sorts, where nothing may be an empty text, numbers and
        truth values may be texts, and choices are written in other capitals.
        """
        if self.classes and isinstance(cell, int) and not isinstance(cell, bool):
            cell = self.classes[cell] if 0 <= cell < len(self.classes) else None
        name = name_of(cell)
        if name is None or not name.strip():
            return None
        if self.kind.kind == "boolean":
            return _TRUE_OR_FALSE.get(name.strip().casefold(), STRANGER)
        if self._choices:
            return self._choices.get(name, self._choices.get(_folded(cell), STRANGER))
        if self.kind.kind in ("int64", "double") and isinstance(cell, str):
            return _number(cell)
        return _moment(cell, self.kind) if self.kind.kind in _OF_TIME else cell

    def label(self, answer: object) -> object:
        """What an answer says, to be held against ``value``."""
        is_text = isinstance(answer, str)
        return cell_of(answer, self.kind) if is_text and self.kind.kind in _OF_TIME else answer


def _folded(value: object) -> str:
    return str(name_of(value)).strip().casefold()


def _choices(schema: Any, root: Mapping[str, Any]) -> Iterator[Any]:
    """The values that a property may have, when they are a few."""
    schema = resolved(schema, root)
    values = choices(schema)
    if values is not None:
        yield from (value for value in values if value is not None)
        return
    for way in alternatives(schema, root) or ():
        yield from _choices(way, root)


def _number(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _moment(cell: object, kind: ColumnType) -> object:
    """A day or a moment in UTC, as a column of that kind holds it; what is none stays."""
    if isinstance(cell, str):
        try:
            cell = datetime.fromisoformat(cell.strip())
        except ValueError:
            return cell
    if isinstance(cell, datetime):
        moment = cell.replace(tzinfo=UTC) if cell.tzinfo is None else cell.astimezone(UTC)
        return moment.date() if kind.kind == "date" else moment
    if isinstance(cell, date) and kind.kind == "timestamp":
        return datetime(cell.year, cell.month, cell.day, tzinfo=UTC)
    return cell
