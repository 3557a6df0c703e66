"""Describes the rules of JSON Schema keywords in words, for the model and for people."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from batcher.core.labels.schema.merging import ALSO, ANNOTATIONS

# These words become part of requests and so of fingerprints: a change here would send answered
# rows again.
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
"""Keyword to text; ``{}`` stands for the keyword's value."""

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


def describe(keyword: str, value: object) -> str:
    """Describe the rule of a keyword with this value."""
    return WORDS[keyword].format(value if isinstance(value, str) else json_text(value))


def json_text(value: object) -> str:
    """Write a value as JSON."""
    return json.dumps(value, ensure_ascii=False)


def rules_of_type(kind: str | None, schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the keywords that apply to a type, with their values; not those without effect."""
    family = "number" if kind == "integer" else kind
    for key in _KINDS.get(str(family), ()):
        value = schema.get(key)
        if value is None or value is False or (key == "multipleOf" and value == 1):
            continue
        if key.startswith("min") and value == 0 and key != "minimum":
            continue
        yield key, value


def rules_of_any_type(schema: Mapping[str, Any]) -> Iterator[str]:
    """Describe the keywords that apply to every type and that the API does not accept."""
    for key in _ANY:
        if key in schema:
            yield describe(key, schema[key])
    if "if" in schema:
        then, otherwise = schema.get("then"), schema.get("else")
        parts = [f"then like {json_text(then)}"] if then is not None else []
        parts += [f"else like {json_text(otherwise)}"] if otherwise is not None else []
        if parts:
            yield f"when like {json_text(schema['if'])}, {', '.join(parts)}"


def unknown_keywords(schema: Mapping[str, Any]) -> list[str]:
    """Return the keywords that JSON Schema does not have; they have no effect."""
    return [key for key in schema if key not in KEYWORDS]
