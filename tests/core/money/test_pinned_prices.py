"""A pinned price table keeps the prices of a run for ever."""

from datetime import date
from decimal import Decimal

import pytest
from tables import TABLE

from batcher.core.job import PriceOverride
from batcher.core.money.pinned import PinnedPrices, digest_of

OWN = {"claude-haiku-4-5": PriceOverride(input=Decimal("0.5"), output=Decimal(2))}
DAY = date(2026, 11, 20)


@pytest.mark.parametrize("day", [None, DAY])
def test_a_pinned_table_reads_back_equal(day: date | None) -> None:
    """All rates of all models, the overrides and both days."""
    table = TABLE.with_overrides(OWN)
    pinned = PinnedPrices.read(PinnedPrices.of(table, day).text)
    assert pinned == PinnedPrices.of(table, day)
    assert (pinned.as_of, pinned.overrides_as_of) == (TABLE.as_of, day)
    assert pinned.overridden == ("claude-haiku-4-5-20251001",)
    for model in table.ids():
        for name, rates in table.model(model).tiers.items():
            assert pinned.rates(model, name) == (rates, 1)
            assert pinned.rates(model, f"{name} us") == (rates, Decimal("1.1"))
    assert pinned.model("claude-haiku-4-5", "x") == "claude-haiku-4-5-20251001"
    assert pinned.model(None, "x") is None
    assert pinned.rates("claude-haiku-5-5", "fast") is None


def test_its_digest_depends_only_on_the_prices() -> None:
    """Equal tables have the same digest; another rate, day or override changes it."""
    texts = [
        PinnedPrices.of(TABLE).text,
        PinnedPrices.of(TABLE.with_overrides(OWN)).text,
        PinnedPrices.of(TABLE.with_overrides(OWN), DAY).text,
    ]
    assert len(set(map(digest_of, texts))) == 3
    assert PinnedPrices.of(TABLE, DAY).text == texts[0]  # no override, no day of overrides
    assert digest_of(texts[0]) == digest_of(PinnedPrices.read(texts[0]).text)
