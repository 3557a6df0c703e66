"""What a token counts in dollars, by how requests are sent."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from batcher.core.estimate.evidence import Weights
from batcher.core.money.cost import US_MULTIPLIER
from batcher.core.money.prices import ModelPrices, Rates, RatesName
from batcher.core.usage_fields import TTL

Delivery = Literal["live", "batch"]

LONG = " (long prompt)"
"""What is added to a model's name for the group of its long, dearer prompts."""

BATCH_HITS = 0.6
"""What share of what the prompt cache saves is taken to be saved in a batch: items run at once and
in any order, and 30 to 98 % of hits are reported (API documentation, October 2026)."""

_BATCH_HITS_DEVIATION = 0.2  # of a share that may lie anywhere from 0.3 to 0.98

MISSED = 0.003
"""What share of what could be read from the cache is taken to be written once more: entries that
expired, were evicted, or whose first answer was lost."""

_MISSED_DEVIATION = 0.005  # none to one in a hundred

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class CachedTokens:
    """Estimated prompt tokens: all, those read from the cache, those written into it."""

    prompt: float
    read: float = 0.0
    written: float = 0.0


def group_of(prices: ModelPrices, model: str, predicted: float) -> str:
    """What decides the rates of a request: its model, and whether its prompt is a long one."""
    is_long = prices.long is not None and predicted > prices.long.threshold
    return f"{model}{LONG}" if is_long else model


def model_of(group: str) -> str:
    """The model of such a group."""
    return group.removesuffix(LONG)


def weights(
    prices: ModelPrices,
    settings: Mapping[str, Any],
    tokens: CachedTokens,
    delivery: Delivery,
    *,
    is_long: bool,
    ttl: TTL = "5m",
) -> Weights:
    """What one token of prompt and one of output cost in USD, at the mean of a group.

    ``tokens.read`` and ``written`` are 0 without the prompt cache; with it the mean is in doubt. A
    region that is not asked for counts as global, though a workspace may default to a dearer one.
    """
    rates = prices.rates(_rates_name(prices, settings, delivery, is_long=is_long))
    unit = (float(US_MULTIPLIER) if _is_us(prices, settings) else 1.0) / _MILLION
    plain, mean, doubt = float(rates.input), *_of_prompt(rates, tokens, ttl)
    hits = 1.0
    if delivery == "batch":
        hits = BATCH_HITS
        doubt = math.hypot(doubt * hits, (plain - mean) * _BATCH_HITS_DEVIATION)
        mean = plain + (mean - plain) * hits
    return Weights(
        mean * unit,
        float(rates.output) * unit,
        doubt * unit,
        min(1.0, tokens.read / tokens.prompt) if tokens.prompt else 0.0,
        (plain - float(rates.cache_read)) * hits * unit,
    )


def _of_prompt(rates: Rates, tokens: CachedTokens, ttl: TTL) -> tuple[float, float]:
    """The mean rate of a live token of prompt, and how far misses may move it."""
    plain, from_cache = float(rates.input), float(rates.cache_read)
    write = float(rates.cache_write_1h if ttl == "1h" else rates.cache_write_5m)
    if not tokens.prompt:
        return plain, 0.0
    read, written = tokens.read / tokens.prompt, tokens.written / tokens.prompt
    mean = plain + (from_cache - plain) * read * (1 - MISSED)
    mean += (write - plain) * (written + read * MISSED)
    return mean, (write - from_cache) * read * _MISSED_DEVIATION


def _rates_name(
    prices: ModelPrices, settings: Mapping[str, Any], delivery: Delivery, *, is_long: bool
) -> RatesName:
    if is_long:
        return "long batch" if delivery == "batch" else "long"
    if delivery == "batch":
        return "batch"
    ignores = prices.facts is not None and prices.facts.ignores_fast
    is_fast = settings.get("speed") == "fast" and prices.fast is not None and not ignores
    return "fast" if is_fast else "standard"


def _is_us(prices: ModelPrices, settings: Mapping[str, Any]) -> bool:
    return prices.has_geo_price and settings.get("inference_geo") == "us"
