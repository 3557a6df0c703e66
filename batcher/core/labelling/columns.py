"""The output columns of labels, from their schema alone: the same whatever the answers are."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from batcher.core.labelling.references import resolved

Kind = Literal[
    "boolean", "int64", "double", "string", "enum", "date", "timestamp", "list", "struct", "json"
]


@dataclass(frozen=True, slots=True)
class ColumnType:
    """What a column holds; ``item`` is that of a list's entries, ``fields`` those of a struct.

    ``json`` is text, for values of several kinds or of any shape.
    """

    kind: Kind
    item: "ColumnType | None" = None
    fields: tuple[tuple[str, "ColumnType"], ...] = ()


JSON = ColumnType("json")
_TEXTS: Mapping[str, Kind] = {"date": "date", "date-time": "timestamp"}
_PLAIN: Mapping[str, Kind] = {
    "boolean": "boolean",
    "integer": "int64",
    "number": "double",
    "string": "string",
}


def columns_of(schema: Mapping[str, Any]) -> dict[str, ColumnType]:
    """The columns of an object's schema, by the names of its properties."""
    properties = resolved(schema, schema).get("properties") or {}
    return {name: column_type(inner, schema) for name, inner in properties.items()}


def column_type(schema: Any, root: Mapping[str, Any]) -> ColumnType:
    """The type of one value; every column may be null."""
    if not isinstance(schema, Mapping):
        return JSON
    schema = resolved(schema, root)
    parts = _parts(schema)
    if parts is not None:
        return _common([part for part in parts if not _is_null(part)], root)
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if values is not None:
        return _of_values(values)
    return _of_type(schema, root)


def _parts(schema: Mapping[str, Any]) -> list[Any] | None:
    """What a value may be instead, when there are several; None when there are not."""
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return list(schema[key])
    kinds = schema.get("type")
    if isinstance(kinds, list | tuple):
        return [{**schema, "type": kind} for kind in kinds]
    return None


def _of_type(schema: Mapping[str, Any], root: Mapping[str, Any]) -> ColumnType:
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        return _struct(schema, root)
    if kind == "array" or "items" in schema:
        return _list(schema, root)
    form = _TEXTS.get(str(schema.get("format"))) if kind == "string" else None
    named = form or _PLAIN.get(str(kind))
    return JSON if named is None else ColumnType(named)


def cell(value: Any, column: ColumnType) -> Any:
    """The Python value that fills a column; for values that were judged valid."""
    if value is None:
        return None
    match column.kind:
        case "list":
            assert column.item is not None  # noqa: S101 - every list has one
            return [cell(one, column.item) for one in value]
        case "struct":
            return {name: cell(value.get(name), inner) for name, inner in column.fields}
        case kind:
            return _CELLS[kind](value) if kind in _CELLS else value


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


_CELLS: Mapping[Kind, Callable[[Any], Any]] = {
    "json": _json,
    "date": date.fromisoformat,
    "timestamp": _moment,
    "double": float,
    "int64": int,
}


def _common(parts: Sequence[Any], root: Mapping[str, Any]) -> ColumnType:
    """The one type of a union's parts; JSON when there are several."""
    types = list(dict.fromkeys(column_type(part, root) for part in parts))
    if len(types) == 1:
        return types[0]
    kinds = {one.kind for one in types}
    if kinds == {"int64", "double"}:
        return ColumnType("double")
    return ColumnType("string") if kinds and kinds <= {"enum", "string"} else JSON


def _of_values(values: Sequence[Any]) -> ColumnType:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {str}:
        return ColumnType("enum")
    if kinds == {bool}:
        return ColumnType("boolean")
    if kinds == {int}:
        return ColumnType("int64")
    return ColumnType("double") if kinds and kinds <= {int, float} else JSON


def _struct(schema: Mapping[str, Any], root: Mapping[str, Any]) -> ColumnType:
    properties = schema.get("properties") or {}
    if not properties or schema.get("additionalProperties") not in (None, False):
        return JSON
    fields = tuple((name, column_type(inner, root)) for name, inner in properties.items())
    return ColumnType("struct", fields=fields)


def _list(schema: Mapping[str, Any], root: Mapping[str, Any]) -> ColumnType:
    items = schema.get("items")
    if schema.get("prefixItems") or not isinstance(items, Mapping):
        return JSON
    return ColumnType("list", item=column_type(items, root))


def _is_null(part: Any) -> bool:
    return isinstance(part, Mapping) and (
        part.get("type") == "null" or part.get("const", 0) is None
    )
