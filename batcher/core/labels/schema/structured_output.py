"""The JSON Schema that structured output accepts (documentation of the API, October 2026)."""

import re
from collections.abc import Mapping
from typing import Any

FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
"""The text formats that the API enforces."""

MOST_OPTIONAL = 24
"""How many properties may be optional, in all schemas of a request together."""

MOST_UNIONS = 16
"""How many places may have values of several types, in all schemas of a request together."""

# The API refuses lookaround, named groups, backreferences and word boundaries. The documentation
# does not mention character classes by property and escapes by number, so they are not sent.
_UNSUPPORTED = re.compile(r"\(\?(?!:)|\\(?![dwsDWStnr])[A-Za-z0-9]|[*+?}]\+")


def is_accepted_pattern(pattern: str) -> bool:
    """Whether the API accepts a regular expression, as far as its documentation says."""
    return _UNSUPPORTED.search(pattern) is None


def is_accepted_choice(value: Any) -> bool:
    """Whether the API accepts a value as a choice: scalars only."""
    return not isinstance(value, list | Mapping)


def exact_schema(value: Any) -> dict[str, Any]:
    """Return an accepted schema for exactly one value; a list is only limited to its entries.

    Scalars become a const, objects have such a schema for each key.
    """
    if isinstance(value, Mapping):
        return {
            "type": "object",
            "properties": {key: exact_schema(inner) for key, inner in value.items()},
            "required": list(value),
            "additionalProperties": False,
        }
    if isinstance(value, list):
        schemas = [exact_schema(entry) for entry in value]
        distinct = [schema for index, schema in enumerate(schemas) if schema not in schemas[:index]]
        if not distinct:
            return {"type": "array", "items": {"type": "null"}}
        items = distinct[0] if len(distinct) == 1 else {"anyOf": distinct}
        return {"type": "array", "items": items, "minItems": 1}
    return {"const": value}
