"""Bounds that the descriptions in a schema state in words.

Structured output accepts no such bounds as keywords. Clients therefore move them into the
descriptions, as the official SDKs do, and a model mostly follows them.
"""

import re
from typing import Any

Schema = dict[str, Any]

_LITERALS = ("enum", "const", "default", "examples")
_NUMBER = r"(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
_BOUNDS = tuple(
    (re.compile(pattern, re.IGNORECASE), keyword)
    for pattern, keyword in (
        (rf"at least {_NUMBER} characters", "minLength"),
        (rf"at most {_NUMBER} characters", "maxLength"),
        (rf"at least {_NUMBER} entries", "minItems"),
        (rf"at most {_NUMBER} entries", "maxItems"),
        (rf"at least {_NUMBER}(?! (?:characters|entries|keys|such))\b(?!\.\d)", "minimum"),
        (rf"at most {_NUMBER}(?! (?:characters|entries|keys|such))\b(?!\.\d)", "maximum"),
        (rf"more than {_NUMBER}", "exclusiveMinimum"),
        (rf"less than {_NUMBER}", "exclusiveMaximum"),
        (rf"a multiple of {_NUMBER}", "multipleOf"),
        (r"(no entry twice)", "uniqueItems"),
    )
)


def with_described_bounds(schema: Any) -> Any:
    """Return the schema with the bounds of its descriptions added as keywords, at any depth."""
    if isinstance(schema, list):
        return [with_described_bounds(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    bounded = {
        key: value if key in _LITERALS else with_described_bounds(value)
        for key, value in schema.items()
    }
    description = schema.get("description")
    if isinstance(description, str) and "const" not in schema:
        bounded |= {k: v for k, v in _described_bounds(description).items() if k not in schema}
    return bounded


def _described_bounds(description: str) -> Schema:
    bounds: Schema = {}
    for pattern, keyword in _BOUNDS:
        match = pattern.search(description)
        if match is not None:
            bounds[keyword] = keyword == "uniqueItems" or _number(match[1])
    return bounds


def _number(text: str) -> int | float:
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
