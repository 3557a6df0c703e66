"""Reads a column that holds JSON: a conversation, or a whole request."""

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from itertools import chain
from typing import Any

from batcher.core.row import ShortFloat

# A limit that protects the parser's stack; the JSONL reader has the same one.
_MAX_DEPTH = 100

# Below these keys a null is part of the user's data or schema.
_KEYS_WITH_NULLS = frozenset({"input", "input_schema", "schema"})


class BadValueError(ValueError):
    """A column has a value that no request can be made from."""


def json_column(values: Mapping[str, object], column: str, kind: type) -> Any:
    """Read a column that has a list or an object, or the JSON text of one."""
    if column not in values:
        raise BadValueError(f"the column '{column}' is missing")
    value = values[column]
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise BadValueError(f"the column '{column}' is not valid JSON") from None
    if not isinstance(value, kind):
        expected = "an array" if kind is list else "an object"
        raise BadValueError(f"the column '{column}' must contain {expected}")
    if _is_deeper(value, _MAX_DEPTH):
        raise BadValueError(f"the column '{column}' is nested more than {_MAX_DEPTH} levels deep")
    return _plain(value)


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        mappings = [item.values() for item in level if isinstance(item, Mapping)]
        level = [*chain(*mappings, *(item for item in level if isinstance(item, list)))]
    return any(isinstance(item, Mapping | list) for item in level)


def _plain(value: Any) -> Any:
    """Return a value of JSON's own types, without nulls.

    Parquet has one schema for all rows, so a key that a row does not have is a null there.
    """
    if isinstance(value, Mapping):
        return {
            key: _numbers(item) if key in _KEYS_WITH_NULLS else _plain(item)
            for key, item in value.items()
            if item is not None
        }
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return _numbers(value)


def _numbers(value: Any) -> Any:
    """Return a value with the numbers that JSON readers make of it."""
    if isinstance(value, Mapping):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    if isinstance(value, ShortFloat):
        return value.short
    if isinstance(value, Decimal):
        return math.nan if value.is_nan() else float(value)  # float raises for a signaling NaN
    return value
