"""What a schema means that refers to others or joins several: ``$ref``, ``allOf``, unions."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from batcher.core.labels.schema.merging import (
    ANNOTATIONS,
    IMPOSSIBLE,
    choices,
    is_impossible,
    joined,
)

_MAPS = ("properties", "patternProperties", "dependentSchemas")
_DEFINITIONS = ("$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = (
    "items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else",
    "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip

_IMPLYING: Mapping[str, str] = {
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
    """Why a schema cannot be asked for: where in it, and what to do."""


def subschemas(
    node: Mapping[str, Any], *, with_definitions: bool = True
) -> Iterator[Mapping[str, Any]]:
    """The schemas directly inside of one; not what only looks like one, such as a default."""
    maps = (*_MAPS, *_DEFINITIONS) if with_definitions else _MAPS
    found = [one for key in maps for one in (node.get(key) or {}).values()]
    found += [one for key in _LISTS for one in node.get(key) or ()]
    found += [node[key] for key in _SINGLE if key in node]
    yield from (one for one in found if isinstance(one, Mapping))


def check_references(root: Mapping[str, Any]) -> None:
    """SchemaError for a reference that leads out of the schema, nowhere, or in a circle.

    Definitions that nothing refers to may say what they like.
    """
    finished: set[str] = set()

    def follow(node: Mapping[str, Any], above: tuple[str, ...]) -> None:
        if "$dynamicRef" in node:
            raise SchemaError("$dynamicRef is not supported; use $ref and $defs")
        if node is not root and "$id" in node:
            raise SchemaError("$id inside of a schema is not supported; use $ref and $defs")
        reference = node.get("$ref")
        if isinstance(reference, str) and reference not in finished:
            if reference in above:
                raise SchemaError(
                    f"the schema refers to itself ($ref {reference!r}), which the API does not "
                    "take and no column can hold; write out as many levels as you need"
                )
            follow(referred(reference, root), (*above, reference))
            finished.add(reference)
        for inner in subschemas(node, with_definitions=False):
            follow(inner, above)

    follow(root, ("#",))


def resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put in place what a reference means, and join all parts of an allOf.

    For schemas whose references were checked: those without a circle.
    """
    if not isinstance(schema, Mapping):
        return IMPOSSIBLE if schema is False else {}
    if "$ref" not in schema and "allOf" not in schema:
        return schema
    parts: list[Any] = list(schema.get("allOf") or ())
    if "$ref" in schema:
        parts.insert(0, referred(str(schema["$ref"]), root))
    made: dict[str, Any] = {}
    for part in parts:
        made = joined(made, resolved(part, root))
    return joined(made, {k: v for k, v in schema.items() if k not in ("$ref", "allOf")})


def referred(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference (a JSON pointer, RFC 6901, or an ``$anchor``) inside of a schema."""
    if not reference.startswith("#"):
        raise SchemaError(f"$ref {reference!r} points out of the schema; put it into $defs")
    pointer = unquote(reference.removeprefix("#"))
    found = _anchored(pointer, root) if pointer[:1] not in ("", "/") else _pointed(pointer, root)
    if found is True:
        return {}
    if found is False:
        return IMPOSSIBLE
    if not isinstance(found, Mapping):
        raise SchemaError(f"$ref {reference!r} points to no schema")
    return found


def alternatives(schema: Mapping[str, Any], root: Mapping[str, Any]) -> list[Any] | None:
    """The ways in which a value may fit a resolved schema, each with all that holds for it.

    None when there are not several; those in which nothing fits are left out. A way that is nothing
    but a reference stays one.
    """
    for key in ("anyOf", "oneOf"):
        if key in schema:
            rest = {k: v for k, v in schema.items() if k != key and k not in _KEPT_OUTSIDE}
            ways = [_way(rest, part, root) for part in schema[key]]
            return [way for way in ways if not is_impossible(way)]
    kinds = schema.get("type")
    if not isinstance(kinds, list | tuple):
        return None
    rest = {k: v for k, v in schema.items() if k not in _KEPT_OUTSIDE}
    ways = [joined(rest, {"type": kind}) for kind in kinds]
    return [way for way in ways if not is_impossible(way)]


def kind_of(schema: Mapping[str, Any]) -> str | None:
    """The type of a resolved schema with one; if it does not say, what its keywords are about."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return kind
    return next((implied for key, implied in _IMPLYING.items() if key in schema), None)


def is_null(way: Any) -> bool:
    """Whether null is all that fits a resolved schema."""
    is_said = isinstance(way, Mapping) and (way.get("type") == "null" or choices(way) == [None])
    return bool(is_said)


_KEPT_OUTSIDE = frozenset({*ANNOTATIONS, *_DEFINITIONS, "$schema", "$id"})


def _way(rest: Mapping[str, Any], part: Any, root: Mapping[str, Any]) -> Any:
    if not rest and isinstance(part, Mapping) and set(part) == {"$ref"}:
        return part
    return joined(rest, resolved(part, root))


def _pointed(pointer: str, root: Mapping[str, Any]) -> Any:
    node: Any = root
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, Mapping) and name in node:
            node = node[name]
        elif isinstance(node, list | tuple) and name.isdecimal() and int(name) < len(node):
            node = node[int(name)]
        else:
            raise SchemaError(f"$ref '#{pointer}' points nowhere")
    return node


def _anchored(name: str, root: Mapping[str, Any]) -> Any:
    pending = [root]
    while pending:
        node = pending.pop()
        if node.get("$anchor") == name:
            return node
        pending += subschemas(node)
    raise SchemaError(f"$ref '#{name}' points nowhere")
