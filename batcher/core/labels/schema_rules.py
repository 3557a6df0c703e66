"""The rules of JSON Schema (2020-12), two of them exact and quick where the library is not."""

import json
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import jsonschema
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _multiple_of(
    _validator: Validator, divisor: Any, value: Any, _schema: Any
) -> Iterator[ValidationError]:
    """19.99 is a multiple of 0.01, as they are written; no number is too large to tell."""
    if _is_number(value) and Fraction(repr(value)) % Fraction(repr(divisor)):
        yield ValidationError(f"not a multiple of {divisor}")


def _unique_items(
    _validator: Validator, is_wanted: Any, value: Any, _schema: Any
) -> Iterator[ValidationError]:
    """In the time of one look at each entry."""
    if is_wanted and isinstance(value, list):
        names = {json.dumps(_plain(entry), sort_keys=True) for entry in value}
        if len(names) < len(value):
            yield ValidationError("an entry is there twice")


def _plain(value: Any) -> Any:
    """A value in which 1.0 is 1, as JSON Schema has it."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value


_RULES = {"multipleOf": _multiple_of, "uniqueItems": _unique_items}

_extend: Any = jsonschema.validators.extend
RULES: Any = _extend(jsonschema.Draft202012Validator, _RULES)
"""A class of validators: ``RULES(schema, format_checker=...)``."""
