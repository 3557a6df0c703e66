"""The output columns of labels; they depend on the schema only, not on the answers."""

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
    """The type of a column; ``item`` is the type of a list's entries, ``fields`` of a struct's.

    ``json`` is JSON text, for values of several types or of any shape. Every column may be null,
    because a row may have no valid answer.
    """

    kind: Kind
    item: "ColumnType | None" = None
    fields: tuple[tuple[str, "ColumnType"], ...] = ()

    @property
    def is_choice(self) -> bool:
        """Whether values are one of a fixed set of classes."""
        return self.kind in ("enum", "boolean")


JSON = ColumnType("json")
_TEXTS: Mapping[str, Kind] = {"date": "date", "date-time": "timestamp"}
_PLAIN: Mapping[str, Kind] = {
    "boolean": "boolean",
    "integer": "int64",
    "number": "double",
    "string": "string",
}
_TEXT_KINDS = frozenset({"enum", "string", "date", "timestamp"})
_INT64 = 2**63
_MAX_TYPES = 5_000


def columns_of(schema: Mapping[str, Any]) -> dict[str, ColumnType]:
    """Return the columns of an object's schema, by property name and in the order of properties.

    The schema must have passed ``check_schema``, so that it has no circular references. Raises
    SchemaError for a schema that becomes too large when references are resolved.
    """
    properties = resolved(schema, schema).get("properties") or {}
    types = _ColumnTypes(schema)
    return {name: types.of(inner) for name, inner in properties.items()}


def column_type(schema: Any, root: Mapping[str, Any]) -> ColumnType:
    """Return the column type of a subschema."""
    return _ColumnTypes(root).of(schema)


class _ColumnTypes:
    """Finds the column types of subschemas, up to a maximum number."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._count = 0

    def of(self, schema: Any) -> ColumnType:
        self._count += 1
        if self._count > _MAX_TYPES:
            raise SchemaError("it is too large when its references are resolved")
        schema = resolved(schema, self._root)
        values = choices(schema)
        if values is not None:
            return _of_values(values)
        options = alternatives(schema, self._root)
        if options is not None:
            return self._common(
                [option for option in options if not is_null(resolved(option, self._root))]
            )
        return self._of_type(schema)

    def _of_type(self, schema: Mapping[str, Any]) -> ColumnType:
        kind = kind_of(schema)
        if kind == "object":
            return self._struct(schema)
        if kind == "array":
            return self._list(schema)
        formatted = _TEXTS.get(str(schema.get("format"))) if kind == "string" else None
        column_kind = formatted or _PLAIN.get(str(kind))
        return JSON if column_kind is None else ColumnType(column_kind)

    def _common(self, options: Sequence[Any]) -> ColumnType:
        """Return the common type of a union's alternatives; JSON when there is none."""
        types = list(dict.fromkeys(self.of(option) for option in options))
        if len(types) == 1:
            return types[0]
        kinds = {column.kind for column in types}
        if kinds == {"int64", "double"}:
            return ColumnType("double")
        return ColumnType("string") if kinds and kinds <= _TEXT_KINDS else JSON

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
