"""Money is never rounded."""

from decimal import Decimal, Inexact

import pytest

from batcher.core.money.cost import cost
from batcher.core.money.exact import MAX_COUNT, decimals, per_million, product, total
from batcher.core.money.rates import ModelPrices, Rates
from batcher.core.money.usage import Usage


def test_too_many_digits_raise() -> None:
    """A product or a sum that 60 digits cannot hold is an error, not a rounded number."""
    long = Decimal("1." + "1" * 40)
    with pytest.raises(Inexact):
        product(long, long)
    with pytest.raises(Inexact):
        total([Decimal("1e50"), Decimal("1e-50")])


def test_a_sum_keeps_digits_that_the_default_context_drops() -> None:
    """Python's default context rounds to 28 digits; ours keeps all digits."""
    big, small = Decimal(99999999999999), Decimal("0.000000000000000001")
    assert str(total([big, small])) == "99999999999999.000000000000000001"
    assert big + small == big
    assert total([]) == 0


def test_floats_are_refused() -> None:
    """A float cannot slip into money."""
    with pytest.raises(TypeError):
        product(0.1)


def test_per_million_moves_the_point() -> None:
    """Dividing by a million is exact."""
    assert per_million(Decimal(1)) == Decimal("0.000001")


@pytest.mark.parametrize(
    ("text", "places"), [("0", 0), ("0.00", 0), ("1.50", 1), ("100", 0), ("1e3", 0), ("1e-11", 11)]
)
def test_decimals_counts_only_needed_digits(text: str, places: int) -> None:
    """Trailing zeros are not decimals."""
    assert decimals(Decimal(text)) == places


def test_every_cost_fits_the_checkpoints_decimal() -> None:
    """The highest and the finest rates on the largest counts stay within DECIMAL(38, 18)."""
    highest = Rates(*[Decimal("999999999.99999999999")] * 5)
    finest = Rates(*[Decimal("0.00000000001")] * 5)
    usage = Usage(*[MAX_COUNT] * 5, web_search_requests=MAX_COUNT, inference_geo="us")
    odd = Usage(*[MAX_COUNT - 1] * 5, inference_geo="us")
    for rates in (highest, finest):
        for each in (usage, odd, Usage(1, 1, inference_geo="us")):
            amount = cost(each, ModelPrices("m", rates, rates))
            assert 0 < amount < Decimal(10) ** 20
            assert decimals(amount) <= 18


@pytest.mark.parametrize("rate", ["0.000000000001", "1e9", "-1", "NaN", "Infinity"])
def test_rates_that_would_not_fit_are_refused(rate: str) -> None:
    """A rate is refused if its costs could exceed the checkpoint's decimal."""
    with pytest.raises(ValueError, match="input"):
        Rates(Decimal(rate), *[Decimal(1)] * 4)
