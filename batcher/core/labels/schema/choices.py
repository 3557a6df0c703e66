"""Choices of objects and lists, which the API does not take, as schemas that it does."""

from collections.abc import Mapping
from typing import Any


def exactly(value: Any) -> dict[str, Any]:
    """The schema of one value; of a list only which entries it may have.

    Scalars are a const, objects have a const for each key.
    """
    if isinstance(value, Mapping):
        return {
            "type": "object",
            "properties": {key: exactly(inner) for key, inner in value.items()},
            "required": list(value),
            "additionalProperties": False,
        }
    if isinstance(value, list):
        ways = [exactly(entry) for entry in value]
        different = [way for place, way in enumerate(ways) if way not in ways[:place]]
        if not different:
            return {"type": "array", "items": {"type": "null"}}
        items = different[0] if len(different) == 1 else {"anyOf": different}
        return {"type": "array", "items": items, "minItems": 1}
    return {"const": value}


def is_scalar(value: Any) -> bool:
    """Whether the API takes a value as a choice."""
    return not isinstance(value, list | Mapping)
