"""What a keyword of JSON Schema asks for, in words that the model and people understand."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from batcher.core.labels.schema.merging import ALSO, ANNOTATIONS

WORDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "matching the regular expression {}",
    "format": "in the format {}",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "uniqueItems": "no entry twice",
    "contains": "with an entry like {}",
    "minContains": "at least {} such entries",
    "maxContains": "at most {} such entries",
    "prefixItems": "entries in this order: {}",
    "unevaluatedItems": "further entries like {}",
    "minProperties": "at least {} keys",
    "maxProperties": "at most {} keys",
    "dependentRequired": "with keys that need others: {}",
    "dependentSchemas": "with keys that ask for more: {}",
    "propertyNames": "with keys like {}",
    "const": "exactly {}",
    "enum": "one of {}",
    "oneOf": "in only one of these ways",
    "not": "never like {}",
    "type": "of type {}",
    ALSO: "and like {}",
}
"""By keyword; each gets the keyword's value."""

_KINDS: Mapping[str, tuple[str, ...]] = {
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "array": (
        "minItems", "maxItems", "uniqueItems", "contains", "minContains", "maxContains",
        "prefixItems", "unevaluatedItems",
    ),
    "object": (
        "minProperties", "maxProperties", "dependentRequired", "dependentSchemas", "propertyNames",
    ),
}  # fmt: skip
_ANY = ("not", ALSO)
KEYWORDS = frozenset(
    {
        *(key for keys in _KINDS.values() for key in keys), *_ANY, *ANNOTATIONS,
        "$schema", "$id", "$anchor", "$ref", "$defs", "definitions", "$vocabulary",
        "$dynamicAnchor", "type", "enum", "const", "anyOf", "oneOf", "allOf", "if", "then", "else",
        "properties", "required", "additionalProperties", "patternProperties",
        "unevaluatedProperties", "items",
        "contentEncoding", "contentMediaType", "contentSchema",
    }
)  # fmt: skip


def worded(keyword: str, value: object) -> str:
    """Say what a keyword with this value asks for."""
    return WORDS[keyword].format(value if isinstance(value, str) else shown(value))


def shown(value: object) -> str:
    """A value as JSON has it."""
    return json.dumps(value, ensure_ascii=False)


def rules_of_kind(kind: str | None, schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The keywords that bind values of a type, with their values, but those that ask nothing."""
    family = "number" if kind == "integer" else kind
    for key in _KINDS.get(str(family), ()):
        value = schema.get(key)
        if value is None or value is False or (key == "multipleOf" and value == 1):
            continue
        if key.startswith("min") and value == 0 and key != "minimum":
            continue
        yield key, value


def rules_of_any(schema: Mapping[str, Any]) -> Iterator[str]:
    """In words, the keywords that bind values of every type and that the API does not take."""
    for key in _ANY:
        if key in schema:
            yield worded(key, schema[key])
    if "if" in schema:
        then, otherwise = schema.get("then"), schema.get("else")
        parts = [f"then like {shown(then)}"] if then is not None else []
        parts += [f"else like {shown(otherwise)}"] if otherwise is not None else []
        if parts:
            yield f"when like {shown(schema['if'])}, {', '.join(parts)}"


def unknown_keywords(schema: Mapping[str, Any]) -> list[str]:
    """Keywords that JSON Schema does not know, and that check nothing."""
    return [key for key in schema if key not in KEYWORDS]
