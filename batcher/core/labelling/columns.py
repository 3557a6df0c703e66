"""The output columns of labels, from their schema alone: the same whatever the answers are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from batcher.core.labelling.joining import choices
from batcher.core.labelling.references import alternatives, is_null, kind_of, resolved

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


def columns_of(schema: Mapping[str, Any]) -> dict[str, ColumnType]:
    """The columns of an object's schema, by the names of its properties and in their order.

    For schemas that were checked (``check_schema``): without circles.
    """
    properties = resolved(schema, schema).get("properties") or {}
    return {name: column_type(inner, schema) for name, inner in properties.items()}


def column_type(schema: Any, root: Mapping[str, Any]) -> ColumnType:
    """The type of one value."""
    schema = resolved(schema, root)
    values = choices(schema)
    if values is not None:
        return _of_values(values)
    ways = alternatives(schema, root)
    if ways is not None:
        return _common([way for way in ways if not is_null(resolved(way, root))], root)
    return _of_type(schema, root)


def _of_type(schema: Mapping[str, Any], root: Mapping[str, Any]) -> ColumnType:
    kind = kind_of(schema)
    if kind == "object":
        return _struct(schema, root)
    if kind == "array":
        return _list(schema, root)
    form = _TEXTS.get(str(schema.get("format"))) if kind == "string" else None
    named = form or _PLAIN.get(str(kind))
    return JSON if named is None else ColumnType(named)


def _common(ways: Sequence[Any], root: Mapping[str, Any]) -> ColumnType:
    """The one type of a union's ways; JSON when there are several."""
    types = list(dict.fromkeys(column_type(way, root) for way in ways))
    if len(types) == 1:
        return types[0]
    kinds = {one.kind for one in types}
    if kinds == {"int64", "double"}:
        return ColumnType("double")
    return ColumnType("string") if kinds and kinds <= _OF_TEXT else JSON


def _of_values(values: Sequence[Any]) -> ColumnType:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {str}:
        return ColumnType("enum")
    if kinds == {bool}:
        return ColumnType("boolean")
    if kinds == {int} and all(-_INT64 <= value < _INT64 for value in values if value is not None):
        return ColumnType("int64")
    return ColumnType("double") if kinds and kinds <= {int, float} else JSON


def _struct(schema: Mapping[str, Any], root: Mapping[str, Any]) -> ColumnType:
    properties = schema.get("properties") or {}
    is_open = schema.get("additionalProperties") not in (None, False)
    if not properties or is_open or "patternProperties" in schema:
        return JSON
    fields = tuple((name, column_type(inner, root)) for name, inner in properties.items())
    return ColumnType("struct", fields=fields)


def _list(schema: Mapping[str, Any], root: Mapping[str, Any]) -> ColumnType:
    items = schema.get("items")
    if schema.get("prefixItems") or not isinstance(items, Mapping):
        return JSON
    return ColumnType("list", item=column_type(items, root))
