"""A JSON Schema (2020-12) validator with two rules that the library checks wrongly or slowly."""

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
    """Check multipleOf with decimal arithmetic: 19.99 is a multiple of 0.01, at any size."""
    if _is_number(value) and Fraction(repr(value)) % Fraction(repr(divisor)):
        yield ValidationError(f"not a multiple of {divisor}")


def _unique_items(
    _validator: Validator, is_required: Any, value: Any, _schema: Any
) -> Iterator[ValidationError]:
    """Check uniqueItems in linear time."""
    if is_required and isinstance(value, list):
        names = {json.dumps(_plain(entry), sort_keys=True) for entry in value}
        if len(names) < len(value):
            yield ValidationError("has an entry twice")


def _plain(value: Any) -> Any:
    """Replace 1.0 by 1: JSON Schema treats them as equal."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value


_RULES = {"multipleOf": _multiple_of, "uniqueItems": _unique_items}

_extend: Any = jsonschema.validators.extend
SchemaValidator: Any = _extend(jsonschema.Draft202012Validator, _RULES)
"""The class of validators: ``SchemaValidator(schema, format_checker=...)``."""
