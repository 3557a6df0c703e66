"""The output columns of labels, from their schema alone: the same whatever the answers are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from batcher.core.labels.schema.merging import choices
from batcher.core.labels.schema.references import (
    SchemaError,
    alternatives,
    is_null,
    kind_of,
    resolved,
)

Kind = Literal[
    "boolean", "int64", "double", "string", "enum", "date", "timestamp", "list", "struct", "json"
]


@dataclass(frozen=True, slots=True)
class ColumnType:
    """What a column holds; ``item`` is that of a list's entries, ``fields`` those of a struct.

    ``json`` is text, for values of several kinds or of any shape. Every column may be null: a row
    without a valid answer is.
    """

    kind: Kind
    item: "ColumnType | None" = None
    fields: tuple[tuple[str, "ColumnType"], ...] = ()

    @property
    def is_choice(self) -> bool:
        """Whether it holds one of a few classes."""
        return self.kind in ("enum", "boolean")


JSON = ColumnType("json")
_TEXTS: Mapping[str, Kind] = {"date": "date", "date-time": "timestamp"}
_PLAIN: Mapping[str, Kind] = {
    "boolean": "boolean",
    "integer": "int64",
    "number": "double",
    "string": "string",
}
_OF_TEXT = frozenset({"enum", "string", "date", "timestamp"})
_INT64 = 2**63
_MOST_TYPES = 5_000


def columns_of(schema: Mapping[str, Any]) -> dict[str, ColumnType]:
    """The columns of an object's schema, by the names of its properties and in their order.

    For schemas that were checked (``check_schema``): without circles. SchemaError for one that
    references make larger than anybody means.
    """
    properties = resolved(schema, schema).get("properties") or {}
    typing = _Typing(schema)
    return {name: typing.of(inner) for name, inner in properties.items()}


def column_type(schema: Any, root: Mapping[str, Any]) -> ColumnType:
    """The type of one value."""
    return _Typing(root).of(schema)


class _Typing:
    """Finds the types of subschemas, of which there may be so many as a table can have."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._found = 0

    def of(self, schema: Any) -> ColumnType:
        self._found += 1
        if self._found > _MOST_TYPES:
            raise SchemaError("it is too large once references are put in place")
        schema = resolved(schema, self._root)
        values = choices(schema)
        if values is not None:
            return _of_values(values)
        ways = alternatives(schema, self._root)
        if ways is not None:
            return self._common([way for way in ways if not is_null(resolved(way, self._root))])
        return self._of_type(schema)

    def _of_type(self, schema: Mapping[str, Any]) -> ColumnType:
        kind = kind_of(schema)
        if kind == "object":
            return self._struct(schema)
        if kind == "array":
            return self._list(schema)
        form = _TEXTS.get(str(schema.get("format"))) if kind == "string" else None
        named = form or _PLAIN.get(str(kind))
        return JSON if named is None else ColumnType(named)

    def _common(self, ways: Sequence[Any]) -> ColumnType:
        """The one type of a union's ways; JSON when there are several."""
        types = list(dict.fromkeys(self.of(way) for way in ways))
        if len(types) == 1:
            return types[0]
        kinds = {one.kind for one in types}
        if kinds == {"int64", "double"}:
            return ColumnType("double")
        return ColumnType("string") if kinds and kinds <= _OF_TEXT else JSON

    def _struct(self, schema: Mapping[str, Any]) -> ColumnType:
        properties = schema.get("properties") or {}
        is_open = schema.get("additionalProperties") not in (None, False)
        if not properties or is_open or "patternProperties" in schema:
            return JSON
        fields = tuple((name, self.of(inner)) for name, inner in properties.items())
        return ColumnType("struct", fields=fields)

    def _list(self, schema: Mapping[str, Any]) -> ColumnType:
        items = schema.get("items")
        if schema.get("prefixItems") or not isinstance(items, Mapping):
            return JSON
        return ColumnType("list", item=self.of(items))


def _of_values(values: Sequence[Any]) -> ColumnType:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {str}:
        return ColumnType("enum")
    if kinds == {bool}:
        return ColumnType("boolean")
    if kinds == {int} and all(-_INT64 <= value < _INT64 for value in values if value is not None):
        return ColumnType("int64")
    return ColumnType("double") if kinds and kinds <= {int, float} else JSON
