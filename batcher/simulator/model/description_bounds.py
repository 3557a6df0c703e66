"""What descriptions in a schema ask for in words: bounds that structured output does not take.

Clients move such bounds into descriptions for the model to read, as the official SDKs do, and a
model mostly minds them.
"""

import re
from typing import Any

Schema = dict[str, Any]

_VALUES = ("enum", "const", "default", "examples")
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


def minded(schema: Any) -> Any:
    """Read a schema with the bounds that its descriptions tell, at any depth."""
    if isinstance(schema, list):
        return [minded(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: value if key in _VALUES else minded(value) for key, value in schema.items()}
    description = schema.get("description")
    if isinstance(description, str) and "const" not in schema:
        made |= {k: v for k, v in _told(description).items() if k not in schema}
    return made


def _told(description: str) -> Schema:
    found: Schema = {}
    for pattern, keyword in _BOUNDS:
        match = pattern.search(description)
        if match is not None:
            found[keyword] = keyword == "uniqueItems" or _number(match[1])
    return found


def _number(text: str) -> int | float:
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
