"""Writes dollars as text: exact for programs, rounded for people."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated

from pydantic import PlainSerializer

_CENT = Decimal("0.01")


def exact_text(usd: Decimal) -> str:
    """Write all digits, without an exponent or trailing zeros."""
    text = format(usd, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def rounded_text(usd: Decimal) -> str:
    """Write two decimals; below one cent at least four, so that two significant digits show."""
    if usd == 0 or abs(usd) >= _CENT:
        return f"${usd.quantize(_CENT, ROUND_HALF_UP):,}"
    places = max(4, 1 - usd.adjusted())
    return f"${usd.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):f}"


Usd = Annotated[Decimal, PlainSerializer(exact_text, return_type=str)]
"""An exact amount in USD; in JSON it is text with all digits."""
