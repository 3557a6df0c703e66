"""The price table is right and complete, and its errors help with unknown models."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import genai_prices
import pytest
from tables import TABLE, TABLE_TEXT

from batcher.core.job import PriceOverride
from batcher.core.money.cost import USD_PER_WEB_SEARCH
from batcher.core.money.prices import PriceTable, UnknownModelError
from batcher.core.money.rates import Rates
from batcher.errors import ConfigurationError

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SMALL, LONG = 1_000, 1_000_000

# Models that genai-prices does not have. All others are compared with short prompts, because
# genai-prices has long-prompt tiers that no longer exist; Haiku 5.5 is compared with both.
MISSING_MODELS = {"claude-mythos-5", "claude-mythos-5-1"}


def independent_rates(model: str, tokens: int, context: dict[str, str] | None) -> Rates:
    """Get the five rates from genai-prices, each from a request with one kind of token."""

    def rate(**usage: int) -> Decimal:
        found = genai_prices.calc_price(
            genai_prices.Usage(**usage),
            model,
            provider_id="anthropic",
            genai_request_timestamp=NOW,
            price_context=context,
        )
        return found.total_price * 1_000_000 / tokens

    return Rates(
        input=rate(input_tokens=tokens),
        # the prompt decides the tier, so the output is the difference of two requests
        output=rate(input_tokens=tokens, output_tokens=tokens) - rate(input_tokens=tokens),
        cache_write_5m=rate(
            input_tokens=tokens, cache_write_tokens=tokens, cache_write_5m_tokens=tokens
        ),
        cache_write_1h=rate(
            input_tokens=tokens, cache_write_tokens=tokens, cache_write_1h_tokens=tokens
        ),
        cache_read=rate(input_tokens=tokens, cache_read_tokens=tokens),
    )


CONTEXTS: dict[str, tuple[int, dict[str, str] | None]] = {
    "standard": (SMALL, None),
    "batch": (SMALL, {"processing": "batch"}),
    "fast": (SMALL, {"speed": "fast"}),
    "long": (LONG, None),
    "long batch": (LONG, {"processing": "batch"}),
}
"""The token count and the price context of genai-prices for each of our rates."""


def is_comparable(model: str, kind: str) -> bool:
    """Whether genai-prices has this row: it has no batch prices of retired models."""
    is_retired = TABLE.model(model).facts.lifecycle == "retired"
    return model not in MISSING_MODELS and not (is_retired and kind == "batch")


ROWS = [
    (model, kind, rates)
    for model in TABLE.ids()
    for kind, rates in TABLE.model(model).tiers.items()
]
COMPARED = [row for row in ROWS if is_comparable(*row[:2])]
NAMES = [f"{model} {kind}" for model, kind, _ in COMPARED]


@pytest.mark.parametrize(("model", "kind", "rates"), COMPARED, ids=NAMES)
def test_every_row_agrees_with_an_independent_table(model: str, kind: str, rates: Rates) -> None:
    """Our rates are those of genai-prices wherever it has them."""
    assert independent_rates(model, *CONTEXTS[kind]) == rates


def test_the_independent_table_still_lacks_the_other_rows() -> None:
    """When genai-prices gains these rows, the comparison above should include them.

    It has 47 of our 59 rows. It prices batches of retired models like standard requests.
    """
    missing = [row for row in ROWS if not is_comparable(*row[:2])]
    assert (len(COMPARED), len(missing)) == (47, 12)
    for model, kind, rates in missing:
        if model in MISSING_MODELS:
            with pytest.raises(LookupError):
                independent_rates(model, *CONTEXTS[kind])
        else:
            found = independent_rates(model, *CONTEXTS[kind])
            assert found == TABLE.model(model).standard != rates


def test_web_searches_cost_what_the_independent_table_says() -> None:
    """Ten dollars per thousand. genai-prices has no regions: only our tests check their 1.1."""
    found = genai_prices.calc_price(
        genai_prices.Usage(web_searches=1000), "claude-opus-5-5", provider_id="anthropic"
    )
    assert found.total_price == USD_PER_WEB_SEARCH * 1000


# The published cache prices of Haiku 3 were rounded, so the multiples do not hold for it.
@pytest.mark.parametrize("model", [m for m in TABLE.ids() if m != "claude-3-haiku-20240307"])
def test_rates_follow_the_published_multiples(model: str) -> None:
    """Cache writes are 1.25 and 2 times input, batch is half; fast is double."""
    prices = TABLE.model(model)
    entry = next(e for e in json.loads(TABLE_TEXT)["models"] if e["id"] == model)
    tiers = [prices.standard, prices.batch]
    tiers += [prices.fast] if prices.fast else []
    tiers += [prices.long.standard, prices.long.batch] if prices.long else []
    for rates in tiers:
        assert rates.cache_write_5m == rates.input * Decimal("1.25")
        assert rates.cache_write_1h == rates.input * 2
        assert rates.cache_read == rates.input * Decimal(entry["cache_read_mult"])
    assert prices.batch == prices.standard.times(Decimal("0.5"))
    assert prices.fast in (None, prices.standard.times(Decimal(2)))


def test_haiku_5_5_has_higher_rates_for_long_prompts() -> None:
    """Five times everything above 100,000 tokens, live and batch, as published."""
    long = TABLE.model("claude-haiku-5-5").long
    assert long.threshold == 100_000
    assert long.standard == Rates(*map(Decimal, ["0.5", "2.5", "0.625", "1", "0.05"]))
    assert long.batch == Rates(*map(Decimal, ["0.25", "1.25", "0.3125", "0.5", "0.025"]))


def test_the_table_has_a_date_and_all_models() -> None:
    """The date is the data file's, and every entry with a price is listed."""
    assert TABLE.as_of == date(2026, 11, 22)
    entries = json.loads(TABLE_TEXT)["models"]
    assert TABLE.ids() == tuple(e["id"] for e in entries if "usd_per_mtok" in e)
    assert len(TABLE.ids()) == 26


def test_an_alias_finds_its_model() -> None:
    """An alias and its id are the same model, for prices and for facts."""
    assert TABLE.model("claude-haiku-4-5") is TABLE.model("claude-haiku-4-5-20251001")
    assert TABLE.facts("claude-haiku-4-5").id == "claude-haiku-4-5-20251001"
    assert TABLE.facts("no-such-model") is None


def test_the_error_of_an_unknown_model_suggests_a_name_and_a_price() -> None:
    """The error suggests the nearest name and says how to supply a price."""
    with pytest.raises(UnknownModelError) as caught:
        TABLE.model("claude-haiku-55")
    assert caught.value.exit_code == 2
    assert caught.value.suggestion == "claude-haiku-5-5"
    assert "did you mean 'claude-haiku-5-5'?" in caught.value.hint
    assert '[prices.overrides."claude-haiku-55"]' in caught.value.hint


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("haiku", "claude-haiku-5-5"), ("Opus", "claude-opus-5-5"), ("gpt", None), ("a", None)],
)
def test_a_part_of_a_name_is_a_suggestion(name: str, suggestion: str | None) -> None:
    """People call models by the middle of their names."""
    with pytest.raises(UnknownModelError) as caught:
        TABLE.model(name)
    assert caught.value.suggestion == suggestion


def test_a_model_without_a_price_is_never_free() -> None:
    """Mythos Preview has facts but no price; only the job file can supply one."""
    assert TABLE.facts("claude-mythos-preview") is not None
    with pytest.raises(UnknownModelError, match="without a price"):
        TABLE.model("claude-mythos-preview")
    own = PriceOverride(input=Decimal(10), output=Decimal(50))
    prices = TABLE.with_overrides({"claude-mythos-preview": own}).model("claude-mythos-preview")
    assert prices.standard.output == 50
    assert prices.facts.id == "claude-mythos-preview"


def test_an_override_of_an_unknown_model_uses_the_usual_multiples() -> None:
    """A model only in the job file: 1.25, 2 and 0.1 times input, half of it in batches."""
    own = PriceOverride(input=Decimal(4), output=Decimal(20))
    table = TABLE.with_overrides({"claude-next": own})
    prices = table.model("claude-next")
    assert prices.standard == Rates(*map(Decimal, ["4", "20", "5", "8", "0.4"]))
    assert prices.batch == Rates(*map(Decimal, ["2", "10", "2.5", "4", "0.2"]))
    assert (prices.fast, prices.long, prices.facts, prices.is_override) == (None, None, None, True)
    assert table.ids() == (*TABLE.ids(), "claude-next")
    assert TABLE.ids()[-1] != "claude-next"


def test_an_override_of_a_known_model_keeps_its_multiples() -> None:
    """Cache reads, fast mode and long prompts scale as they do in the table."""
    own = PriceOverride(input=Decimal(2), output=Decimal(10))
    table = TABLE.with_overrides({"claude-opus-5-5": own, "claude-haiku-5-5": own})
    opus = table.model("claude-opus-5-5")
    assert opus.standard.cache_read == Decimal("0.1")
    assert opus.fast == opus.standard.times(Decimal(2))
    haiku = table.model("claude-haiku-5-5")
    assert haiku.long.standard == haiku.standard.times(Decimal(5))
    assert haiku.long.batch == haiku.batch.times(Decimal(5))


def test_rates_in_an_override_are_used_unchanged() -> None:
    """The rates of the job file apply as they are, also for an alias."""
    own = PriceOverride(
        input=Decimal(1),
        output=Decimal(2),
        cache_write_5m=Decimal(3),
        cache_write_1h=Decimal(4),
        cache_read=Decimal(0),
    )
    table = TABLE.with_overrides({"claude-haiku-4-5": own})
    standard = table.model("claude-haiku-4-5-20251001").standard
    assert standard == Rates(*map(Decimal, ["1", "2", "3", "4", "0"]))
    assert [standard.highest_input_rate(ttl) for ttl in (None, "5m", "1h")] == [1, 3, 4]


def test_overriding_one_model_twice_is_an_error() -> None:
    """With an alias and its id in one job file, the price would be ambiguous."""
    own = PriceOverride(input=Decimal(1), output=Decimal(2))
    with pytest.raises(ConfigurationError, match="twice"):
        TABLE.with_overrides({"claude-haiku-4-5": own, "claude-haiku-4-5-20251001": own})


def test_a_rate_too_fine_to_stay_exact_is_an_error() -> None:
    """Eight decimals times 0.025 and a half would not fit the checkpoint's decimal."""
    own = PriceOverride(input=Decimal("0.00000001"), output=Decimal(1))
    with pytest.raises(ConfigurationError, match="decimals"):
        TABLE.with_overrides({"claude-fable-5-2": own})
    assert TABLE.with_overrides({"claude-next": own}).model("claude-next")


DAMAGE = {
    "not json": lambda text: text[:-40],
    "no date": lambda text: text.replace('"as_of"', '"of"'),
    "a float price": lambda text: text.replace('"input": "8",', '"input": 8.0,'),
    "a word price": lambda text: text.replace('"write_5m": "10"', '"write_5m": "ten"'),
    "a missing price": lambda text: text.replace('"read"', '"reed"'),
    "a missing batch": lambda text: text.replace("usd_per_mtok_batch", "usd_batch"),
    "an unknown state": lambda text: text.replace('"retired"', '"gone"'),
    "an unknown tier": lambda text: text.replace('"image_tier": "high"', '"image_tier": "vast"'),
    "an odd answer": lambda text: text.replace('"prefill": "refused"', '"prefill": "maybe"'),
    "one model twice": lambda text: text.replace("claude-fable-5-1", "claude-fable-5-2"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_malformed_table_is_an_error(damage: Any) -> None:
    """A table is read completely or not at all."""
    assert damage(TABLE_TEXT) != TABLE_TEXT
    with pytest.raises(ConfigurationError, match="malformed"):
        PriceTable.parse(damage(TABLE_TEXT))
