"""Finds one Arrow schema for the columns of a whole input."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pyarrow as pa

from batcher.core.plural import counted
from batcher.core.row import Place, Row, Unreadable, WrittenFloat
from batcher.errors import InputError, Problem
from batcher.inputs.chunk import Chunk
from batcher.inputs.json_types import ColumnShape, is_json_text

MAX_COLUMNS = 2_000
_NAMED_ROWS = 5
_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    WrittenFloat: "a number",
    Decimal: "a number with more digits than a 64-bit float",
    str: "text",
    list: "a list",
    dict: "an object",
}


@dataclass(slots=True)
class _Rows:
    """Counts rows of one kind, and keeps the places of the first ones."""

    count: int = 0
    first: list[Place] = field(default_factory=list)

    def add(self, places: Sequence[Place]) -> None:
        self.count += len(places)
        self.first += places[: _NAMED_ROWS - len(self.first)]

    def named(self) -> str:
        more = self.count - len(self.first)
        return ", ".join(map(str, self.first)) + (f" and {more:,} more" if more else "")


class ColumnTypes:
    """Collects the types of the columns ``names`` chunk by chunk; None: all, in first-seen order.

    Parquet columns keep the types of the files. The types of JSONL columns are found from the
    values (see ``json_types``), in memory that does not grow with the number of rows. A JSONL
    column without any value is a string column.
    """

    def __init__(self, names: Sequence[str] | None) -> None:
        self._names = None if names is None else tuple(names)
        self._shapes = {name: ColumnShape() for name in self._names or ()}
        self._arrow: pa.Schema | None = None
        self._kinds: dict[str, dict[str, _Rows]] = defaultdict(lambda: defaultdict(_Rows))
        self._lost: dict[tuple[str, str], _Rows] = defaultdict(_Rows)

    def add(self, chunk: Chunk) -> None:
        """Add the types of one chunk.

        Raises ``InputError`` when all columns are collected and there are more than
        ``MAX_COLUMNS``.
        """
        for name, reasons in chunk.lost.items():
            for position, reason in reasons.items():
                self._lost[name, reason].add([chunk.rows[position].place])
        if chunk.arrow is not None:
            self._arrow = chunk.arrow.schema
            return
        rows = [row for row in chunk.rows if isinstance(row, Row)]
        if self._names is None:
            self._add_columns(name for row in rows for name in row.values)
        for name, shape in self._shapes.items():
            values = [row.values.get(name) for row in rows]
            shape.add(values)
            self._note_kinds(name, rows, values)

    def schema(self) -> pa.Schema:
        """Return the schema of the chunks added so far."""
        if self._arrow is None:
            return pa.schema([shape.field(name) for name, shape in self._shapes.items()])
        if self._names is None:
            return self._arrow
        fields = {field.name: field for field in self._arrow}
        return pa.schema([fields.get(name, pa.field(name, pa.null())) for name in self._names])

    def warnings(self) -> Iterator[Problem]:
        """Yield a warning for each column whose output differs from the input, with its rows."""
        for column in self.schema():
            if is_json_text(column):
                yield Problem(_mixed(column.name, self._kinds[column.name]))
        for (name, reason), rows in self._lost.items():
            verb = "has" if rows.count == 1 else "have"
            yield Problem(
                f"{counted(rows.count, 'row')} {verb} a value in {name!r} that is {reason}; it is "
                f"empty in the output: {rows.named()}"
            )

    def _note_kinds(self, name: str, rows: Sequence[Row], values: Sequence[object]) -> None:
        kinds = self._kinds[name]
        for kind in dict.fromkeys(type(value) for value in values if value is not None):
            places = [r.place for r, value in zip(rows, values, strict=True) if type(value) is kind]
            if kind is not Unreadable:
                kinds[_KINDS[kind]].add(places)
                continue
            for row, value in zip(rows, values, strict=True):
                if isinstance(value, Unreadable):
                    self._lost[name, value.reason].add([row.place])

    def _add_columns(self, names: Iterable[str]) -> None:
        for name in dict.fromkeys(names):
            if name not in self._shapes:
                self._shapes[name] = ColumnShape()
        if len(self._shapes) > MAX_COLUMNS:
            raise InputError(
                f"the input has more than {MAX_COLUMNS:,} columns",
                hint="name the columns to keep in the job file: [output] keep = [...]",
            )


def _mixed(name: str, kinds: dict[str, _Rows]) -> str:
    """Say why a column is kept as text, and name the rows that differ from most others."""
    if len(kinds) < 2:
        return (
            f"the column {name!r} has lists or objects of several types, or too large numbers; it "
            "is kept as JSON text"
        )
    most, *others = sorted(kinds.items(), key=lambda kind: -kind[1].count)
    odd = "; ".join(f"{kind} in {counted(r.count, 'row')} ({r.named()})" for kind, r in others)
    return f"the column {name!r} has {most[0]} in most rows, but {odd}; it is kept as text"
