"""The name of a label's class, by which labels are compared."""

import math
from decimal import Decimal

MAX_NAME_LENGTH = 200
"""In characters; a longer text is free text and not a class."""


def name_of(value: object) -> str | None:
    """Return the class of a value as text; None for no label (null or NaN).

    A gold column and an answer may hold the same class as values of different types, such as 1, 1.0
    and "1": booleans are written as in JSON, whole numbers without a fraction, texts unchanged.
    """
    if isinstance(value, str):
        return value
    if value is None or _is_nan(value):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value)


def _is_nan(value: object) -> bool:
    return isinstance(value, float | Decimal) and math.isnan(value)
