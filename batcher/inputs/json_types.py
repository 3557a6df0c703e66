"""Finds the Arrow type that holds every JSON value of a column exactly.

    only null              string            {}, or more than MAX_NODES fields    JSON text
    true, false            bool              values of different kinds            JSON text
    integers               int64             integers beyond 64 bits              JSON text
    integers and floats    float64           ... an integer beyond 2**53          JSON text
    strings                string            lists, objects                       list, struct

A conflict deep inside a column makes the whole column JSON text. A missing key becomes null.
"""

import json
from collections.abc import Iterable, Sequence
from itertools import chain

import pyarrow as pa

MAX_NODES = 2_000
_EXACT_IN_FLOAT = 2**53
_IS_JSON_TEXT = {b"batcher": b"json text"}


class ColumnShape:
    """What the values of one column have been so far; its memory is bounded by ``MAX_NODES``."""

    def __init__(self) -> None:
        self.is_json_text = False
        self._nodes = 0
        self._root = _Node(self)

    def see(self, values: Sequence[object]) -> None:
        """Take in more values: what the strict reader gives, None for a missing one."""
        self._root.see(values)

    def field(self, name: str) -> pa.Field:
        """Return the column's field; metadata marks a column of JSON text for ``to_array``."""
        kind = None if self.is_json_text else self._root.arrow_type()
        if kind is None:
            return pa.field(name, pa.string(), metadata=_IS_JSON_TEXT)
        return pa.field(name, kind)

    def add_node(self) -> None:
        """Count one more place in the column; too many make it JSON text."""
        self._nodes += 1
        self.is_json_text |= self._nodes > MAX_NODES


def is_json_text(field: pa.Field) -> bool:
    """Whether a column was made JSON text because no Arrow type holds all of its values."""
    return bool(field.metadata == _IS_JSON_TEXT)


class _Node:
    """One place in a column: the column itself, a list's elements or an object's field."""

    __slots__ = ("_are_ints_small", "_column", "_element", "_fields", "_kinds")

    def __init__(self, column: ColumnShape) -> None:
        self._column = column
        self._kinds: set[type] = set()
        self._are_ints_small = True
        self._element: _Node | None = None
        self._fields: dict[str, _Node] = {}
        column.add_node()

    def see(self, values: Sequence[object]) -> None:
        if self._column.is_json_text:
            return
        kinds = set(map(type, values)) - {type(None)}
        self._kinds |= kinds
        if int in kinds:
            self._see_ints(value for value in values if type(value) is int)
        if self._has_conflict():
            self._column.is_json_text = True
        elif list in kinds:
            self._element = self._element or _Node(self._column)
            self._element.see(list(chain.from_iterable(v for v in values if isinstance(v, list))))
        elif dict in kinds:
            self._see_objects(value for value in values if isinstance(value, dict))

    def _has_conflict(self) -> bool:
        if self._kinds == {int, float}:
            return not self._are_ints_small
        return len(self._kinds) > 1

    def _see_ints(self, values: Iterable[int]) -> None:
        every = list(values)
        low, high = min(every), max(every)
        self._are_ints_small &= low >= -_EXACT_IN_FLOAT and high <= _EXACT_IN_FLOAT
        if low < -(2**63) or high >= 2**63:
            self._column.is_json_text = True

    def _see_objects(self, values: Iterable[dict[str, object]]) -> None:
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
            self._fields[key].see(items)

    def arrow_type(self) -> pa.DataType | None:
        """Return the Arrow type, or None for what only JSON text can hold."""
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
    """Make a column of JSON values; raises Arrow's error when one does not fit the field."""
    if field.metadata and field.metadata.get(b"batcher") == _IS_JSON_TEXT[b"batcher"]:
        values = [None if value is None else _text(value) for value in values]
    return pa.array(values, field.type)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
