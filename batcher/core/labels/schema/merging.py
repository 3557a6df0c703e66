"""Merges two schemas that both apply into one: the tighter bound, the common choices."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

ANNOTATIONS = (
    "$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"
)  # fmt: skip
"""Keywords without a rule."""

ALSO = "$also"
"""The keyword of a merged schema for rules that cannot be merged: a list of schemas."""

IMPOSSIBLE: Mapping[str, Any] = {"type": []}
"""A schema that no value fits."""

_MAX_ALTERNATIVES = 64
_BOUNDS = (
    ("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum"), ("minLength", "maxLength"),
    ("minItems", "maxItems"), ("minProperties", "maxProperties"),
)  # fmt: skip
_CONDITION = ("if", "then", "else")


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two schemas; rules that cannot be merged are kept under ``$also``."""
    result, added = dict(first), dict(second)
    also = [*first.get(ALSO, ()), *second.get(ALSO, ())]
    added.pop(ALSO, None)
    if _contradicts(result, added) or _contradicts(added, result):
        return dict(IMPOSSIBLE)
    if "if" in result and "if" in added:
        also.append({key: added.pop(key) for key in _CONDITION if key in added})
    for key, value in added.items():
        if key not in result or _is_same(result[key], value):
            result[key] = value
        elif key in _MERGE:
            result[key] = _MERGE[key](result[key], value)
        elif key == "anyOf" and len(result[key]) * len(value) <= _MAX_ALTERNATIVES:
            result[key] = [{"allOf": list(pair)} for pair in product(result[key], value)]
        elif key in ANNOTATIONS or key in ("$schema", "$id", "$anchor"):
            result[key] = value
        else:
            also.append({key: value})
    if also:
        result[ALSO] = also
    return _closed(_closed(result, first), second)


def _closed(result: dict[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """Remove the properties that one of the merged schemas forbids."""
    if not _is_closed(part):
        return result
    allowed, properties = part.get("properties") or {}, result.get("properties") or {}
    kept = {name: inner for name, inner in properties.items() if name in allowed}
    return {**result, "properties": kept}


def _is_closed(schema: Mapping[str, Any]) -> bool:
    """Whether an object may have the listed properties only."""
    return schema.get("additionalProperties") is False and "patternProperties" not in schema


def _contradicts(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether the constants differ, or the second schema forbids a property the first requires."""
    if "const" in first and "const" in second and not _is_same(first["const"], second["const"]):
        return True
    allowed = second.get("properties") or {}
    return _is_closed(second) and any(name not in allowed for name in first.get("required") or ())


def is_impossible(schema: Any) -> bool:
    """Whether no value fits a resolved schema, judged by its type, choices and bounds."""
    if not isinstance(schema, Mapping):
        return schema is False
    is_empty = schema.get("type") == [] or choices(schema) == []
    return is_empty or any(_is_above(schema.get(low), schema.get(high)) for low, high in _BOUNDS)


def _is_above(low: Any, high: Any) -> bool:
    return low is not None and high is not None and bool(low > high)


def choices(schema: Mapping[str, Any]) -> list[Any] | None:
    """Return the values that const, enum and type of a resolved schema allow; None without them."""
    if "const" not in schema and "enum" not in schema:
        return None
    values = list(schema.get("enum", [schema.get("const")]))
    if "const" in schema:
        values = [value for value in values if _is_same(value, schema["const"])]
    return [value for value in values if has_type(value, schema.get("type"))]


def has_type(value: object, kinds: Any) -> bool:
    """Whether a value has a type, or one of several types; true when ``kinds`` is None."""
    if isinstance(kinds, list | tuple):
        return any(has_type(value, kind) for kind in kinds)
    if kinds == "integer" and isinstance(value, float):
        return value.is_integer()
    if isinstance(value, bool):
        return kinds in ("boolean", None)
    return kinds is None or isinstance(value, _PYTHON[kinds])


_PYTHON: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
    "array": list,
    "object": Mapping,
}


def _is_same(first: Any, second: Any) -> bool:
    """Whether two JSON values are equal; true is not equal to 1."""
    return isinstance(first, bool) == isinstance(second, bool) and bool(first == second)


def _types(first: Any, second: Any) -> Any:
    """Return the types that both allow; an integer is a number."""
    left, right = _as_list(first), _as_list(second)
    both = [kind for kind in left if kind in right or (kind == "integer" and "number" in right)]
    both += [kind for kind in right if kind == "integer" and "number" in left and kind not in both]
    return both[0] if len(both) == 1 else both


def _as_list(kinds: Any) -> Sequence[str]:
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _properties(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    both = {name: _both(first[name], inner) for name, inner in second.items() if name in first}
    return {**first, **second, **both}


def _both(first: Any, second: Any) -> Any:
    return first if _is_same(first, second) else {"allOf": [first, second]}


_MERGE: Mapping[str, Callable[[Any, Any], Any]] = {
    "type": _types,
    "properties": _properties,
    "items": _both,
    "propertyNames": _both,
    "additionalProperties": _both,
    "required": lambda first, second: list(dict.fromkeys([*first, *second])),
    "enum": lambda first, second: [v for v in first if any(_is_same(v, w) for w in second)],
    "description": "{} {}".format,
    "minimum": max,
    "exclusiveMinimum": max,
    "minLength": max,
    "minItems": max,
    "minProperties": max,
    "maximum": min,
    "exclusiveMaximum": min,
    "maxLength": min,
    "maxItems": min,
    "maxProperties": min,
    "uniqueItems": lambda first, second: first or second,
    "$defs": lambda first, second: {**second, **first},
    "definitions": lambda first, second: {**second, **first},
}
