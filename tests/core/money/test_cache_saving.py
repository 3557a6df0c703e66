"""The cache's saving is exact, and negative when the cache cost more than it saved."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import batcher
from batcher.core.money.cost import UnpricedError, cache_saving, cost
from batcher.core.money.prices import PriceTable
from batcher.core.money.usage import Usage

TABLE = PriceTable.parse((Path(batcher.__file__).parent / "data" / "models.json").read_text())
TOKENS = st.integers(0, 90_000)


@settings(deadline=None)
@given(TOKENS, TOKENS, TOKENS, TOKENS, st.sampled_from([None, "us"]), st.sampled_from(TABLE.ids()))
def test_the_saving_is_the_difference_kind_by_kind(
    plain: int, short: int, long: int, read: int, geo: str | None, model: str
) -> None:
    """Each read saves its difference to the input rate, each write costs its difference."""
    prices = TABLE.model(model)
    usage = Usage(
        input_tokens=plain,
        output_tokens=7,
        cache_creation_5m_input_tokens=short,
        cache_creation_1h_input_tokens=long,
        cache_read_input_tokens=read,
        inference_geo=geo,
    )
    is_long = prices.long is not None and usage.prompt_tokens > prices.long.threshold
    rates = prices.long.standard if prices.long is not None and is_long else prices.standard
    tokens = (
        read * (rates.input - rates.cache_read)
        - short * (rates.cache_write_5m - rates.input)
        - long * (rates.cache_write_1h - rates.input)
    )
    region = Decimal("1.1") if geo == "us" and prices.has_geo_price else Decimal(1)
    assert cache_saving(usage, prices) == tokens / 1_000_000 * region


def test_no_cache_no_saving() -> None:
    """The saving plus the cost is the cost without the cache."""
    prices = TABLE.model("claude-opus-5-5")
    assert cache_saving(Usage(10, 10), prices) == 0
    usage = Usage(10, 10, cache_read_input_tokens=1_000)
    assert cache_saving(usage, prices) + cost(usage, prices) == cost(Usage(1_010, 10), prices)


def test_a_usage_without_a_price_has_no_saving() -> None:
    """An unknown price is an error."""
    with pytest.raises(UnpricedError):
        cache_saving(Usage(1, 1, inference_geo="moon"), TABLE.model("claude-opus-5-5"))
