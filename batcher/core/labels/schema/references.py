"""Resolves schemas that refer to others or combine several: ``$ref``, ``allOf``, unions."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from batcher.core.labels.schema.merging import (
    ANNOTATIONS,
    IMPOSSIBLE,
    choices,
    is_impossible,
    merged,
)

MAPS = ("properties", "patternProperties", "dependentSchemas")
_DEFINITIONS = ("$defs", "definitions")
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
SINGLE = (
    "items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else",
    "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip

_IMPLIED_TYPES: Mapping[str, str] = {
    "properties": "object",
    "prefixItems": "array",
    "items": "array",
    "minLength": "string",
    "maxLength": "string",
    "pattern": "string",
    "format": "string",
    "minimum": "number",
    "maximum": "number",
    "exclusiveMinimum": "number",
    "exclusiveMaximum": "number",
    "multipleOf": "number",
}


class SchemaError(ValueError):
    """A schema cannot be used for labels; the message says where and what to do."""


def subschemas(
    node: Mapping[str, Any], *, with_definitions: bool = True
) -> Iterator[Mapping[str, Any]]:
    """Yield the direct subschemas; not values that only look like schemas, such as a default."""
    maps = (*MAPS, *_DEFINITIONS) if with_definitions else MAPS
    inner = [schema for key in maps for schema in (node.get(key) or {}).values()]
    inner += [schema for key in LISTS for schema in node.get(key) or ()]
    inner += [node[key] for key in SINGLE if key in node]
    yield from (schema for schema in inner if isinstance(schema, Mapping))


def check_references(root: Mapping[str, Any]) -> None:
    """Raise SchemaError for a reference out of the schema, to nothing, or in a circle.

    Definitions without a reference to them are not checked.
    """
    finished: set[str] = set()

    def follow(node: Mapping[str, Any], above: tuple[str, ...]) -> None:
        if "$dynamicRef" in node:
            raise SchemaError("$dynamicRef is not supported; use $ref and $defs")
        if node is not root and "$id" in node:
            raise SchemaError("$id inside a schema is not supported; use $ref and $defs")
        reference = node.get("$ref")
        if isinstance(reference, str) and reference not in finished:
            if reference in above:
                raise SchemaError(
                    f"the schema refers to itself ($ref {reference!r}), which the API does not "
                    "accept and no column can hold; write out the levels that you need"
                )
            follow(referred(reference, root), (*above, reference))
            finished.add(reference)
        for inner in subschemas(node, with_definitions=False):
            follow(inner, above)

    follow(root, ("#",))


def resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Replace a reference by its target, and merge all parts of an allOf.

    The references must have passed ``check_references``, so that they have no circle.
    """
    if not isinstance(schema, Mapping):
        return IMPOSSIBLE if schema is False else {}
    if "$ref" not in schema and "allOf" not in schema:
        return schema
    parts: list[Any] = list(schema.get("allOf") or ())
    if "$ref" in schema:
        parts.insert(0, referred(str(schema["$ref"]), root))
    result: dict[str, Any] = {}
    for part in parts:
        result = merged(result, resolved(part, root))
    return merged(result, {k: v for k, v in schema.items() if k not in ("$ref", "allOf")})


def referred(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the target of a reference (a JSON pointer, RFC 6901, or an ``$anchor``)."""
    if not reference.startswith("#"):
        raise SchemaError(f"$ref {reference!r} points out of the schema; copy it into $defs")
    pointer = unquote(reference.removeprefix("#"))
    is_anchor = pointer[:1] not in ("", "/")
    target = _anchored(pointer, root) if is_anchor else _pointed(pointer, root)
    if target is True:
        return {}
    if target is False:
        return IMPOSSIBLE
    if not isinstance(target, Mapping):
        raise SchemaError(f"$ref {reference!r} does not point to a schema")
    return target


def alternatives(schema: Mapping[str, Any], root: Mapping[str, Any]) -> list[Any] | None:
    """Return the alternatives of a union, each with the rules outside the union.

    None for a resolved schema that is not a union. Alternatives that no value fits are left out. An
    alternative that is only a reference stays a reference.
    """
    for key in ("anyOf", "oneOf"):
        if key in schema:
            rest = {k: v for k, v in schema.items() if k != key and k not in _KEPT_OUTSIDE}
            options = [_alternative(rest, part, root) for part in schema[key]]
            return [option for option in options if not is_impossible(option)]
    kinds = schema.get("type")
    if not isinstance(kinds, list | tuple):
        return None
    rest = {k: v for k, v in schema.items() if k not in _KEPT_OUTSIDE}
    options = [merged(rest, {"type": kind}) for kind in kinds]
    return [option for option in options if not is_impossible(option)]


def kind_of(schema: Mapping[str, Any]) -> str | None:
    """Return the type of a resolved schema; without one, the type that its keywords imply."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return kind
    return next((implied for key, implied in _IMPLIED_TYPES.items() if key in schema), None)


def is_null(schema: Any) -> bool:
    """Whether null is the only value that fits a resolved schema."""
    return isinstance(schema, Mapping) and (
        schema.get("type") == "null" or choices(schema) == [None]
    )


_KEPT_OUTSIDE = frozenset({*ANNOTATIONS, *_DEFINITIONS, "$schema", "$id"})


def _alternative(rest: Mapping[str, Any], part: Any, root: Mapping[str, Any]) -> Any:
    if not rest and isinstance(part, Mapping) and set(part) == {"$ref"}:
        return part
    return merged(rest, resolved(part, root))


def _pointed(pointer: str, root: Mapping[str, Any]) -> Any:
    node: Any = root
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, Mapping) and name in node:
            node = node[name]
        elif isinstance(node, list | tuple) and name.isdecimal() and int(name) < len(node):
            node = node[int(name)]
        else:
            raise SchemaError(f"$ref '#{pointer}' points to nothing")
    return node


def _anchored(name: str, root: Mapping[str, Any]) -> Any:
    pending = [root]
    while pending:
        node = pending.pop()
        if node.get("$anchor") == name:
            return node
        pending += subschemas(node)
    raise SchemaError(f"$ref '#{name}' points to nothing")
