"""What a label counts as when labels are compared: the name of its class."""

import math
from decimal import Decimal

LONGEST_NAME = 200
"""In characters; what is longer is text of its own, and no class."""


def name_of(value: object) -> str | None:
    """A class as a text; None where there is no label (null, or a NaN that stands for it).

    A gold column and an answer may hold one class as values of different types, such as 1, 1.0 and
    "1": booleans are named as in JSON, whole numbers without a fraction, texts are what they are.
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
