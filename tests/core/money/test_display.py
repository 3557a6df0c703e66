"""Dollars for programs are exact; dollars for people are short, and never zero by rounding."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.money.display import exact_text, rounded_text

USD = st.decimals(0, 10**15, places=18)


@given(USD)
def test_exact_text_is_exact(usd: Decimal) -> None:
    """It reads back as the same amount and has no exponent and no trailing zeros."""
    text = exact_text(usd)
    assert Decimal(text) == usd
    assert "E" not in text.upper()
    assert "." not in text or text[-1] not in "0."


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        ("0", "$0.00"),
        ("0E-18", "$0.00"),
        ("1234567.895", "$1,234,567.90"),
        ("0.995", "$1.00"),
        ("0.015", "$0.02"),
        ("0.01", "$0.01"),
        ("0.009999", "$0.0100"),
        ("0.0012344", "$0.0012"),
        ("0.00001239", "$0.000012"),
        ("0.000000000000000001", "$0.0000000000000000010"),
    ],
)
def test_rounded_text(usd: str, text: str) -> None:
    """Two decimals from one cent on, four or more below; half rounds up."""
    assert rounded_text(Decimal(usd)) == text


@given(USD.filter(bool))
def test_an_amount_never_looks_like_zero(usd: Decimal) -> None:
    """An amount above zero is never shown as zero."""
    assert Decimal(rounded_text(usd).replace(",", "").removeprefix("$")) > 0


@pytest.mark.parametrize(("usd", "text"), [("100", "100"), ("1E+3", "1000"), ("0E-18", "0")])
def test_whole_dollars(usd: str, text: str) -> None:
    """Zeros before the point stay."""
    assert exact_text(Decimal(usd)) == text
