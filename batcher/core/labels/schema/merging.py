"""Two schemas that hold at once, as one: the tighter of two bounds, what both choices have."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

ANNOTATIONS = (
    "$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"
)  # fmt: skip
"""Keywords that check nothing."""

ALSO = "$also"
"""Where a joined schema keeps what has no one form together with the rest: a list of schemas."""

IMPOSSIBLE: Mapping[str, Any] = {"type": []}
"""The schema that nothing fits."""

_MOST_WAYS = 64
_BOUNDS = (
    ("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum"), ("minLength", "maxLength"),
    ("minItems", "maxItems"), ("minProperties", "maxProperties"),
)  # fmt: skip
_CONDITION = ("if", "then", "else")


def joined(one: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Join two schemas; what cannot be one keyword is kept under ``$also``."""
    made, added, also = dict(one), dict(more), [*one.get(ALSO, ()), *more.get(ALSO, ())]
    added.pop(ALSO, None)
    if _excludes(made, added) or _excludes(added, made):
        return dict(IMPOSSIBLE)
    if "if" in made and "if" in added:
        also.append({key: added.pop(key) for key in _CONDITION if key in added})
    for key, value in added.items():
        if key not in made or _is_same(made[key], value):
            made[key] = value
        elif key in _JOIN:
            made[key] = _JOIN[key](made[key], value)
        elif key == "anyOf" and len(made[key]) * len(value) <= _MOST_WAYS:
            made[key] = [{"allOf": list(pair)} for pair in product(made[key], value)]
        elif key in ANNOTATIONS or key in ("$schema", "$id", "$anchor"):
            made[key] = value
        else:
            also.append({key: value})
    if also:
        made[ALSO] = also
    return _closed(_closed(made, one), more)


def _closed(made: dict[str, Any], one: Mapping[str, Any]) -> dict[str, Any]:
    """What is joined, without the properties that one of the two does not let be there."""
    if one.get("additionalProperties") is not False or "patternProperties" in one:
        return made
    known, inner = one.get("properties") or {}, made.get("properties") or {}
    return {**made, "properties": {name: inner[name] for name in inner if name in known}}


def _excludes(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether what one schema requires may not be there, or not be so, by another one."""
    if "const" in one and "const" in other and not _is_same(one["const"], other["const"]):
        return True
    is_closed = other.get("additionalProperties") is False and "patternProperties" not in other
    known = other.get("properties") or {}
    return is_closed and any(name not in known for name in one.get("required") or ())


def is_impossible(schema: Any) -> bool:
    """Whether nothing fits a resolved schema, as far as its type and choices tell."""
    if not isinstance(schema, Mapping):
        return schema is False
    is_empty = schema.get("type") == [] or choices(schema) == []
    return is_empty or any(_is_above(schema.get(low), schema.get(high)) for low, high in _BOUNDS)


def _is_above(low: Any, high: Any) -> bool:
    return low is not None and high is not None and bool(low > high)


def choices(schema: Mapping[str, Any]) -> list[Any] | None:
    """The values that const, enum and type of a resolved schema leave; None when it has none."""
    if "const" not in schema and "enum" not in schema:
        return None
    values = list(schema.get("enum", [schema.get("const")]))
    if "const" in schema:
        values = [value for value in values if _is_same(value, schema["const"])]
    return [value for value in values if is_of(value, schema.get("type"))]


def is_of(value: object, kinds: Any) -> bool:
    """Whether a value is of a type, or of one of several; anything is when none is said."""
    if isinstance(kinds, list | tuple):
        return any(is_of(value, kind) for kind in kinds)
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


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values of JSON are one; true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _types(one: Any, other: Any) -> Any:
    """The types that both allow; an integer is a number."""
    mine, theirs = _listed(one), _listed(other)
    both = [kind for kind in mine if kind in theirs or (kind == "integer" and "number" in theirs)]
    both += [kind for kind in theirs if kind == "integer" and "number" in mine and kind not in both]
    return both[0] if len(both) == 1 else both


def _listed(kinds: Any) -> Sequence[str]:
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _properties(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {name: _both(one[name], inner) for name, inner in other.items() if name in one}
    return {**one, **other, **both}


def _both(one: Any, other: Any) -> Any:
    return one if _is_same(one, other) else {"allOf": [one, other]}


def _description(one: str, other: str) -> str:
    return f"{one} {other}"


_JOIN: Mapping[str, Callable[[Any, Any], Any]] = {
    "type": _types,
    "properties": _properties,
    "items": _both,
    "propertyNames": _both,
    "additionalProperties": _both,
    "required": lambda one, other: list(dict.fromkeys([*one, *other])),
    "enum": lambda one, other: [v for v in one if any(_is_same(v, w) for w in other)],
    "description": _description,
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
    "uniqueItems": lambda one, other: one or other,
    "$defs": lambda one, other: {**other, **one},
    "definitions": lambda one, other: {**other, **one},
}
