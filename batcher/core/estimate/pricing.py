"""The USD weights of tokens, by the way in which requests are sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batcher.core.batches.priming import PRIMED_READS, PRIMED_READS_SIGMA
from batcher.core.delivery import Delivery
from batcher.core.estimate.evidence import Weights
from batcher.core.money.cost import US_MULTIPLIER
from batcher.core.money.rates import ModelPrices, Rates, RatesName
from batcher.core.usage_fields import TTL

LONG = " (long prompt)"
"""The suffix of a model's name for the group of its long prompts, which cost more."""

MISSED = 0.003
"""The assumed share of possible cache reads that are written again: the entry expired, was evicted,
or its first response never arrived."""

_MISSED_SIGMA = 0.005  # none to one in a hundred

_MISSES: Mapping[Delivery, tuple[float, float]] = {
    "live": (MISSED, _MISSED_SIGMA),
    "batch": (1 - PRIMED_READS, PRIMED_READS_SIGMA),
}
"""The assumed share of misses in a live run and in primed batches, and its standard deviation."""

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class CachedTokens:
    """Estimated prompt tokens: all, read from the cache, and written to it."""

    prompt: float
    read: float = 0.0
    written: float = 0.0


def group_of(prices: ModelPrices, model: str, predicted: float) -> str:
    """Return the group of requests with the same rates: by model and long or normal prompt."""
    is_long = prices.long is not None and predicted > prices.long.threshold
    return f"{model}{LONG}" if is_long else model


def model_of(group: str) -> str:
    """Return the model of a group."""
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
    """Return the mean USD of one prompt token and one output token of a group.

    ``tokens.read`` and ``written`` are 0 without the prompt cache; with it the mean is uncertain.
    Entries of batches live for an hour, because a batch may take longer than the shorter lifetime.
    A request without a region counts as global, although a workspace may default to a more
    expensive one.
    """
    rates = prices.rates(_rates_name(prices, settings, delivery, is_long=is_long))
    unit = (float(US_MULTIPLIER) if _is_us(prices, settings) else 1.0) / _MILLION
    is_hour = ttl == "1h" or delivery == "batch"
    write = float(rates.cache_write_1h if is_hour else rates.cache_write_5m)
    plain, (mean, sigma) = float(rates.input), _prompt_rate(rates, tokens, write, _MISSES[delivery])
    return Weights(
        mean * unit,
        float(rates.output) * unit,
        sigma * unit,
        min(1.0, tokens.read / tokens.prompt) if tokens.prompt else 0.0,
        (plain - float(rates.cache_read)) * unit,
    )


def _prompt_rate(
    rates: Rates, tokens: CachedTokens, write: float, misses: tuple[float, float]
) -> tuple[float, float]:
    """Return the mean rate of a prompt token, and its standard deviation from misses.

    ``write`` is the rate of a token written to the cache, ``misses`` the share of possible reads
    that are written again, and its standard deviation.
    """
    plain, from_cache = float(rates.input), float(rates.cache_read)
    missed, missed_sigma = misses
    if not tokens.prompt:
        return plain, 0.0
    read, written = tokens.read / tokens.prompt, tokens.written / tokens.prompt
    mean = plain + (from_cache - plain) * read * (1 - missed)
    mean += (write - plain) * (written + read * missed)
    return mean, (write - from_cache) * read * missed_sigma


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
