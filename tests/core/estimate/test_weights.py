"""The USD weights of tokens for each way of sending."""

from decimal import Decimal

import pytest

from batcher.core.batches.priming import PRIMED_READS, PRIMED_READS_SIGMA
from batcher.core.estimate.evidence import Weights
from batcher.core.estimate.pricing import (
    LONG,
    MISSED,
    CachedTokens,
    group_of,
    model_of,
    weights,
)
from batcher.core.money.rates import LongPrompt, ModelPrices, Rates


def rates(unit: str) -> Rates:
    """Return rates with the usual ratios to this input rate."""
    plain = Decimal(unit)
    return Rates(plain, 5 * plain, plain * 5 / 4, 2 * plain, plain / 10)


PRICES = ModelPrices(
    "m", rates("4"), rates("2"), rates("24"), LongPrompt(200_000, rates("8"), rates("4"))
)
PLAIN = CachedTokens(1_000.0)
SHARED = CachedTokens(1_000.0, 790.0, 10.0)


@pytest.mark.parametrize(
    ("settings", "delivery", "is_long", "usd"),
    [
        ({}, "live", False, 4.0),
        ({}, "batch", False, 2.0),
        ({}, "live", True, 8.0),
        ({}, "batch", True, 4.0),
        ({"speed": "fast"}, "live", False, 24.0),
        ({"speed": "fast"}, "batch", False, 2.0),
        ({"inference_geo": "us"}, "live", False, 4.4),
        ({"inference_geo": "global"}, "live", False, 4.0),
    ],
)
def test_without_the_cache_a_token_weighs_its_rate(
    settings: dict[str, str], delivery: str, is_long: bool, usd: float
) -> None:
    """By delivery, speed, length and region; five times for output; no uncertainty."""
    found = weights(PRICES, settings, PLAIN, delivery, is_long=is_long)
    assert found.prompt == pytest.approx(usd / 1e6)
    assert found.output == pytest.approx(5 * usd / 1e6)
    assert found.sigma == found.bias_weight == 0.0


def test_the_cache_is_read_and_written_at_its_rates() -> None:
    """Three in a thousand reads are misses, which are written again."""
    missed = 790 * MISSED
    usd = 200 * 4.0 + (790 - missed) * 0.4 + (10 + missed) * 5.0
    found = weights(PRICES, {}, SHARED, "live", is_long=False)
    assert found.prompt == pytest.approx(usd / 1_000 / 1e6)
    hours = weights(PRICES, {}, SHARED, "live", is_long=False, ttl="1h")
    assert hours.prompt == pytest.approx((usd + (10 + missed) * 3.0) / 1_000 / 1e6)


def test_a_primed_batch_reads_almost_all_at_half_the_price() -> None:
    """Its entries are those of an hour, whatever live requests use; the reads may miss 5 %."""
    live = weights(PRICES, {}, SHARED, "live", is_long=False)
    batch = weights(PRICES, {}, SHARED, "batch", is_long=False)
    plain = weights(PRICES, {}, PLAIN, "batch", is_long=False)
    missed = 790 * (1 - PRIMED_READS)
    usd = 200 * 2.0 + (790 - missed) * 0.2 + (10 + missed) * 4.0
    assert batch.prompt == pytest.approx(usd / 1_000 / 1e6)
    assert batch.prompt < plain.prompt
    hours = weights(PRICES, {}, SHARED, "batch", is_long=False, ttl="1h")
    assert hours == batch
    assert batch.sigma == pytest.approx(PRIMED_READS_SIGMA * 790 * (4.0 - 0.2) / 1_000 / 1e6)
    assert batch.sigma > live.sigma > 0


def test_the_bias_has_no_weight_when_all_or_nothing_is_shared() -> None:
    """The difference between shared part and rest matters only when both exist."""
    assert Weights(1.0, 0.0, cached_share=1.0, cache_saving=0.9).bias_weight == 0.0
    assert Weights(1.0, 0.0, cached_share=0.5, cache_saving=0.8).bias_weight == pytest.approx(0.2)


def test_long_prompts_have_their_own_group() -> None:
    """Above the threshold, and only for models with such rates."""
    assert group_of(PRICES, "m", 200_000) == "m"
    long = group_of(PRICES, "m", 200_001)
    assert long == f"m{LONG}"
    assert model_of(long) == model_of("m") == "m"
    assert group_of(ModelPrices("m", rates("4"), rates("2")), "m", 300_000) == "m"
