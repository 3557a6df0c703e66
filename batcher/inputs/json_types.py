"""Finds the Arrow type that can hold every JSON value of a column exactly.

    only null              string            {}, or more than MAX_NODES fields    text
    true, false            bool              values of different kinds            text
    integers               int64             integers beyond 64 bits              text
    integers and floats    float64           ... an integer beyond 2**53          text
    strings                string            floats that no double holds          text
    lists, objects         list, struct

In a column of text a string is itself, a number is as it is written, and a list or an object is
JSON. A conflict deep inside a column makes the whole column text. A missing key becomes null.
"""

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import chain

import pyarrow as pa

from batcher.core.row import Unreadable, WrittenFloat

MAX_NODES = 2_000
_EXACT_IN_FLOAT = 2**53
_IS_JSON_TEXT = {b"batcher": b"json text"}
_NO_VALUE = {type(None), Unreadable}


class ColumnShape:
    """The kinds of values that a column had so far; ``MAX_NODES`` bounds its memory."""

    def __init__(self) -> None:
        self.is_json_text = False
        self._nodes = 0
        self._root = _Node(self)

    def add(self, values: Sequence[object]) -> None:
        """Add more values, as the strict JSON reader returns them; None for a missing one."""
        self._root.add(values)

    def field(self, name: str) -> pa.Field:
        """Return the column's field; metadata marks a mixed column of text for ``to_array``."""
        kind = None if self.is_json_text else self._root.arrow_type()
        if kind is None:
            return pa.field(name, pa.string(), metadata=_IS_JSON_TEXT)
        return pa.field(name, kind)

    def add_node(self) -> None:
        """Count one more node of the column; too many nodes make the column text."""
        self._nodes += 1
        self.is_json_text |= self._nodes > MAX_NODES


def is_json_text(field: pa.Field) -> bool:
    """Return whether a column is text because no other Arrow type can hold all its values."""
    return bool(field.metadata == _IS_JSON_TEXT)


class _Node:
    """One node of a column: the column itself, the elements of a list or a field of an object."""

    __slots__ = ("_are_ints_small", "_column", "_element", "_fields", "_kinds")

    def __init__(self, column: ColumnShape) -> None:
        self._column = column
        self._kinds: set[type] = set()
        self._are_ints_small = True
        self._element: _Node | None = None
        self._fields: dict[str, _Node] = {}
        column.add_node()

    def add(self, values: Sequence[object]) -> None:
        if self._column.is_json_text:
            return
        kinds = set(map(type, values)) - _NO_VALUE
        if WrittenFloat in kinds:
            kinds = kinds - {WrittenFloat} | {float}
        self._kinds |= kinds
        if int in kinds:
            self._add_ints(value for value in values if type(value) is int)
        if self._has_conflict():
            self._column.is_json_text = True
        elif list in kinds:
            self._element = self._element or _Node(self._column)
            self._element.add(list(chain.from_iterable(v for v in values if isinstance(v, list))))
        elif dict in kinds:
            self._add_objects(value for value in values if isinstance(value, dict))

    def _has_conflict(self) -> bool:
        if self._kinds == {int, float}:
            return not self._are_ints_small
        return len(self._kinds) > 1 or Decimal in self._kinds

    def _add_ints(self, values: Iterable[int]) -> None:
        integers = list(values)
        low, high = min(integers), max(integers)
        self._are_ints_small &= low >= -_EXACT_IN_FLOAT and high <= _EXACT_IN_FLOAT
        if low < -(2**63) or high >= 2**63:
            self._column.is_json_text = True

    def _add_objects(self, values: Iterable[dict[str, object]]) -> None:
        by_key: dict[str, list[object]] = {}
        for value in values:
            for key, item in value.items():
                by_key.setdefault(key, []).append(item)
        for key, items in by_key.items():
            if self._column.is_json_text:
                self._fields.clear()
                return
            if key not in self._fields:
                self._fields[key] = _Node(self._column)
            self._fields[key].add(items)

    def arrow_type(self) -> pa.DataType | None:
        """Return the Arrow type; None when only JSON text can hold the values."""
        if self._kinds == {list}:
            inner = self._element.arrow_type() if self._element else pa.string()
            return None if inner is None else pa.list_(inner)
        if self._kinds == {dict}:
            types = {name: node.arrow_type() for name, node in self._fields.items()}
            if not types or None in types.values():  # Parquet has no struct without fields
                return None
            return pa.struct(list(types.items()))
        if self._kinds <= {str}:
            return pa.string()
        if self._kinds == {bool}:
            return pa.bool_()
        return pa.int64() if self._kinds == {int} else pa.float64()


def to_array(values: Sequence[object], field: pa.Field) -> pa.Array:
    """Make an Arrow array of JSON values; raises Arrow's error when a value does not fit."""
    values = [None if isinstance(value, Unreadable) else value for value in values]
    if is_json_text(field):
        values = [None if value is None else text_of(value) for value in values]
    return pa.array(values, field.type)


def text_of(value: object) -> str:
    """Return a string as it is, a number as it is written, and other values as JSON."""
    return value if isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    if isinstance(value, WrittenFloat):
        return value.written
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_json(key)}:{_json(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
