"""Gold labels: correct labels in an input column, read by the same rules as answers."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from batcher.core.labels.cell_values import cell as cell_of
from batcher.core.labels.label_columns import ColumnType
from batcher.core.labels.labels import Labels
from batcher.core.labels.schema.merging import choices
from batcher.core.labels.schema.references import alternatives, resolved
from batcher.core.quality.class_names import name_of

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_COMPOUND = ("list", "struct", "json")
_TIMES = ("date", "timestamp")

NOT_A_CHOICE = "(none of the choices)"
"""The class of every gold label that no answer can have; its own text is a row's content."""


@dataclasses.dataclass(frozen=True, slots=True)
class GoldLabels:
    """The input column with gold labels, and the field of an answer that it is compared with.

    ``classes`` are the names for the numbers of a column of class numbers, such as Hugging Face's
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
    ) -> "GoldLabels":
        """Compare with the named field, or by default with the first field that is a choice."""
        choice_fields = (name for name, kind in labels.columns.items() if kind.is_choice)
        name = named or next(choice_fields, next(iter(labels.columns)))
        schema = resolved(labels.schema, labels.schema)["properties"][name]
        values = list(_choices(schema, labels.schema))
        by_name = {str(name_of(value)): value for value in values}
        folded = {_folded(value): value for value in values}
        # Choices that differ only in upper and lower case are compared exactly.
        case_insensitive = folded if len(folded) == len(values) else {}
        return cls(column, name, labels.columns[name], classes, case_insensitive | by_name)

    @property
    def is_comparable(self) -> bool:
        """Whether answers can be compared with gold; lists and objects cannot."""
        return self.kind.kind not in _COMPOUND

    @property
    def has_classes(self) -> bool:
        """Whether the field has a fixed set of values; other values are content, never reported."""
        return self.kind.is_choice or bool(self._choices)

    def gold_value(self, cell: object) -> object:
        """Read a cell of the column; None for no gold label, NOT_A_CHOICE for an impossible one.

        Files of all kinds hold gold labels: a missing label may be an empty text, numbers and
        booleans may be texts, and choices may be in other upper and lower case.
        """
        if self.classes and isinstance(cell, int) and not isinstance(cell, bool):
            cell = self.classes[cell] if 0 <= cell < len(self.classes) else None
        name = name_of(cell)
        if name is None or not name.strip():
            return None
        if self.kind.kind == "boolean":
            return _BOOLEANS.get(name.strip().casefold(), NOT_A_CHOICE)
        if self._choices:
            return self._choices.get(name, self._choices.get(_folded(cell), NOT_A_CHOICE))
        if self.kind.kind in ("int64", "double") and isinstance(cell, str):
            return _number(cell)
        return _time(cell, self.kind) if self.kind.kind in _TIMES else cell

    def answer_value(self, answer: object) -> object:
        """Convert the field of an answer for the comparison with ``gold_value``."""
        is_text = isinstance(answer, str)
        return cell_of(answer, self.kind) if is_text and self.kind.kind in _TIMES else answer


def _folded(value: object) -> str:
    return str(name_of(value)).strip().casefold()


def _choices(schema: Any, root: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the values that a property may have, when the schema lists them."""
    schema = resolved(schema, root)
    values = choices(schema)
    if values is not None:
        yield from (value for value in values if value is not None)
        return
    for alternative in alternatives(schema, root) or ():
        yield from _choices(alternative, root)


def _number(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _time(cell: object, kind: ColumnType) -> object:
    """Return a date, or a time in UTC, as a column of that kind holds it; else the cell itself."""
    if isinstance(cell, str):
        try:
            cell = datetime.fromisoformat(cell.strip())
        except ValueError:
            return cell
    if isinstance(cell, datetime):
        time = cell.replace(tzinfo=UTC) if cell.tzinfo is None else cell.astimezone(UTC)
        return time.date() if kind.kind == "date" else time
    if isinstance(cell, date) and kind.kind == "timestamp":
        return datetime(cell.year, cell.month, cell.day, tzinfo=UTC)
    return cell
