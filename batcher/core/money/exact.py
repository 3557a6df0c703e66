"""Arithmetic on money: exact or an error, never rounded.

Every amount fits DECIMAL(38, 18), twenty digits before the point and eighteen after it:

- A rate has at most 11 decimals and is under 10^9 USD per million tokens (``Rates`` checks both).
  Dividing by a million adds 6 decimals, a region's factor of 1.1 adds one: 11 + 6 + 1 = 18.
- A token count is at most 2^53, so the five kinds together cost less than
  5 * 2^53 * 10^9 / 10^6 * 1.1 < 5 * 10^19 USD, and searches add under 10^14: below 10^20.
"""

from collections.abc import Iterable
from decimal import (
    Clamped,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
    Rounded,
    Subnormal,
    Underflow,
)

MAX_RATE_DECIMALS = 11
MAX_RATE = Decimal(10) ** 9
MAX_COUNT = 2**53

# Python's default context silently rounds to 28 digits; this one raises instead.
_EXACT = Context(
    prec=60,
    traps=[
        Clamped,
        DivisionByZero,
        FloatOperation,
        Inexact,
        InvalidOperation,
        Overflow,
        Rounded,
        Subnormal,
        Underflow,
    ],
)

_ZERO, _ONE = Decimal(0), Decimal(1)


def product(*factors: Decimal | int) -> Decimal:
    """Multiply exactly; ``decimal.Inexact`` when the digits do not fit."""
    result = _ONE
    for factor in factors:
        result = _EXACT.multiply(result, factor)
    return result


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Add exactly, 0 for nothing; ``decimal.Inexact`` when the digits do not fit."""
    result = _ZERO
    for amount in amounts:
        result = _EXACT.add(result, amount)
    return result


def per_million(amount: Decimal) -> Decimal:
    """Divide by a million exactly."""
    return _EXACT.scaleb(amount, -6)


def decimals(value: Decimal) -> int:
    """Count the digits after the point that a finite value needs."""
    exponent = _EXACT.normalize(value).as_tuple().exponent
    if not isinstance(exponent, int):
        raise TypeError("only a finite number has decimals")
    return max(0, -exponent)
