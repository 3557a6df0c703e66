"""A pinned price table keeps the prices of a run for ever."""

import json
from datetime import date
from decimal import Decimal

import pytest
from tables import TABLE

from batcher.core.job import PriceOverride
from batcher.core.money.pinned import PinnedPrices, digest_of
from batcher.core.money.prices import PriceTable, UnknownModelError

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


@pytest.mark.parametrize("table", [TABLE, TABLE.with_overrides(OWN)], ids=["listed", "overridden"])
def test_a_pinned_table_prices_like_the_table_of_its_run(table: PriceTable) -> None:
    """Whatever the prices are when the answers come; the facts of the models are today's."""
    higher = PriceOverride(input=Decimal(70), output=Decimal(90))
    today = TABLE.with_overrides(dict.fromkeys(TABLE.ids(), higher))
    found = PinnedPrices.read(PinnedPrices.of(table).text).of_today(today)
    assert found.as_of == table.as_of
    assert found.ids() == tuple(sorted(table.ids()))
    for name in table.ids():
        assert found.model(name) == table.model(name)
        assert found.facts(name) == table.facts(name)
    assert found.model("claude-haiku-4-5") == table.model("claude-haiku-4-5")


def test_a_table_pinned_by_an_older_version_has_the_long_prompts_of_today() -> None:
    """It did not pin how long they are; its digest stays the same."""
    content = json.loads(PinnedPrices.of(TABLE).text)
    del content["long_above"]
    old = PinnedPrices.read(json.dumps(content, sort_keys=True, separators=(",", ":")))
    assert json.loads(old.text) == content
    has_long = [name for name in TABLE.ids() if TABLE.model(name).long is not None]
    assert has_long
    for name in TABLE.ids():
        assert old.of_today(TABLE).model(name) == TABLE.model(name)


def test_a_model_that_is_no_longer_listed_keeps_its_price() -> None:
    """Its facts are gone, and a model that was listed later has no price of that run."""
    content = json.loads(PinnedPrices.of(TABLE).text)
    rates = content["usd_per_mtok"]
    rates["claude-gone"] = rates.pop("claude-haiku-4-5-20251001")
    found = PinnedPrices.read(json.dumps(content)).of_today(TABLE)
    gone = found.model("claude-gone")
    assert (gone.batch, gone.facts) == (TABLE.model("claude-haiku-4-5").batch, None)
    with pytest.raises(UnknownModelError):
        found.model("claude-haiku-4-5")
