"""What a keyword of JSON Schema asks for, in words that the model and people understand."""

import json

WORDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "uniqueItems": "no entry twice",
    "minProperties": "at least {} keys",
    "maxProperties": "at most {} keys",
    "pattern": "matching the regular expression {}",
    "format": "in the format {}",
    "not": "not valid against {}",
    "contains": "with an entry like {}",
    "dependentRequired": "with keys that depend on each other: {}",
    "if": "depending on a condition",
    "propertyNames": "with keys like {}",
    "patternProperties": "with further keys: {}",
    "prefixItems": "beginning with {}",
    "const": "exactly {}",
    "enum": "one of {}",
}
"""By keyword; each gets the keyword's value."""


def worded(keyword: str, value: object) -> str:
    """Say what a keyword with this value asks for."""
    text = value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)
    return WORDS[keyword].format(text)
