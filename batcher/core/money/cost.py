"""The exact cost of one response, itemised, and what the prompt cache saved of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from batcher.core.money.exact import per_million, product, total
from batcher.core.money.rates import ModelPrices, Rates, RatesName
from batcher.core.money.usage import Usage
from batcher.core.usage_fields import PROMPT_FIELDS

US_MULTIPLIER = Decimal("1.1")
USD_PER_WEB_SEARCH = Decimal("0.01")

US_RATES = " us"
"""The suffix of a rates name when the region's multiplier applied."""

_NO_REGION = (None, "global", "not_available")
_FREE_BEFORE_OUTPUT = frozenset({None, "cyber", "general_harms"})

# Each kind of token, its count in a usage, and its rate.
_KINDS: tuple[tuple[str, Callable[[Usage], int], Callable[[Rates], Decimal]], ...] = (
    ("input", lambda u: u.input_tokens, lambda r: r.input),
    ("cache write 5m", lambda u: u.cache_creation_5m_input_tokens, lambda r: r.cache_write_5m),
    ("cache write 1h", lambda u: u.cache_creation_1h_input_tokens, lambda r: r.cache_write_1h),
    ("cache read", lambda u: u.cache_read_input_tokens, lambda r: r.cache_read),
    ("output", lambda u: u.output_tokens, lambda r: r.output),
)


class UnpricedError(ValueError):
    """The usage of a response is known but its price is not; ``field`` names the cause."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


@dataclass(frozen=True, slots=True)
class CostLine:
    """One term of a cost: ``quantity * rate / per * multiplier``, in USD.

    ``rate`` is what the price table says for the tier, speed and prompt length of the response;
    ``multiplier`` is the region's.
    """

    kind: str
    quantity: int
    rate: Decimal
    per: int
    multiplier: Decimal
    amount: Decimal


def cost(usage: Usage, prices: ModelPrices) -> Decimal:
    """Price a response in USD, to the last digit; see ``explain`` for the rules and errors."""
    return priced(usage, prices)[0]


def priced(usage: Usage, prices: ModelPrices) -> tuple[Decimal, str]:
    """Price a response, and name the rates that price it: the sum of what ``explain`` itemises."""
    tier, rates = _tier(usage, prices)
    multiplier = _geo_multiplier(usage, prices)
    tokens = total(
        [
            product(quantity, rate)
            for quantity, rate in (
                (usage.input_tokens, rates.input),
                (usage.cache_creation_5m_input_tokens, rates.cache_write_5m),
                (usage.cache_creation_1h_input_tokens, rates.cache_write_1h),
                (usage.cache_read_input_tokens, rates.cache_read),
                (usage.output_tokens, rates.output),
            )
            if quantity
        ]
    )
    usd = per_million(product(tokens, multiplier))
    if searches := usage.web_search_requests:
        usd = total([usd, product(searches, USD_PER_WEB_SEARCH)])
    return usd, f"{tier}{US_RATES}" if multiplier != 1 else tier


def cache_saving(usage: Usage, prices: ModelPrices) -> Decimal:
    """Return the USD that the prompt cache saved: the cost without it minus the real cost.

    Negative when cache writes cost more than cache reads saved. Raises like ``cost``. For a
    response that is not billed the saving is 0; the caller has to check that.
    """
    uncached: dict[str, Any] = dict.fromkeys(PROMPT_FIELDS, 0)
    uncached["input_tokens"] = usage.prompt_tokens
    return total([cost(replace(usage, **uncached), prices), product(-1, cost(usage, prices))])


def explain(usage: Usage, prices: ModelPrices) -> tuple[CostLine, ...]:
    """Itemise a cost: one term for each kind that was used; the terms sum to the cost.

    Without a reported tier, region or speed, the standard tier, the global region and the standard
    speed apply. An unknown value raises ``UnpricedError``; so does fast mode without a fast price.
    The priority tier is priced at the standard list price, since its real price is a contract's.
    Web searches cost the same in every tier and region.
    """
    _, rates = _tier(usage, prices)
    tokens = token_lines(usage, rates, _geo_multiplier(usage, prices))
    searches = usage.web_search_requests
    return (*tokens, search_line(searches, USD_PER_WEB_SEARCH)) if searches else tokens


def token_lines(usage: Usage, rates: Rates, multiplier: Decimal) -> tuple[CostLine, ...]:
    """Itemise tokens by known rates, for one response or for many that were priced alike.

    Each term is linear in the tokens, so the terms of summed usages are the sums of their terms.
    """
    return tuple(
        CostLine(kind, quantity, rate, 1_000_000, multiplier, amount)
        for kind, count, rate_of in _KINDS
        if (quantity := count(usage))
        for rate in [rate_of(rates)]
        for amount in [per_million(product(quantity, rate, multiplier))]
    )


def search_line(searches: int, usd: Decimal) -> CostLine:
    """Itemise web searches at ``usd`` each."""
    return CostLine("web search", searches, usd, 1, Decimal(1), product(searches, usd))


def difference(usd: Decimal, lines: Iterable[CostLine]) -> Decimal:
    """Subtract the sum of the terms from an amount."""
    return total([usd, *(product(-1, line.amount) for line in lines)])


def rates_name(usage: Usage, prices: ModelPrices) -> str:
    """Name the rates that price a response; raises like ``explain``."""
    return priced(usage, prices)[1]


def is_free_refusal(stop_reason: str | None, category: str | None, *, has_output: bool) -> bool:
    """Whether a response is a refusal that is not billed, although its usage counts tokens.

    Refusals before any output are free in the categories cyber and general_harms, and without a
    category. An unknown category counts as billed: most are, and a cost that is too high stops a
    run early, while a cost that is too low would exceed the budget.
    """
    return stop_reason == "refusal" and not has_output and category in _FREE_BEFORE_OUTPUT


def _tier(usage: Usage, prices: ModelPrices) -> tuple[RatesName, Rates]:
    is_batch = _is_batch(usage.service_tier)
    is_long = prices.long is not None and usage.prompt_tokens > prices.long.threshold
    if _is_fast(usage.speed, prices):
        if is_batch or is_long or prices.fast is None:
            raise UnpricedError("speed", f"no price of {prices.id} is known for this fast response")
        return "fast", prices.fast
    name: RatesName = "standard"
    if is_long:
        name = "long batch" if is_batch else "long"
    elif is_batch:
        name = "batch"
    return name, prices.rates(name)


def _is_batch(service_tier: str | None) -> bool:
    if service_tier not in (None, "standard", "priority", "batch"):
        raise UnpricedError("service_tier", "the API reported a tier whose price is not known")
    return service_tier == "batch"


def _is_fast(speed: str | None, prices: ModelPrices) -> bool:
    if speed not in (None, "standard", "fast"):
        raise UnpricedError("speed", "the API reported a speed whose price is not known")
    is_ignored = prices.facts is not None and prices.facts.ignores_fast
    return speed == "fast" and not is_ignored


def _geo_multiplier(usage: Usage, prices: ModelPrices) -> Decimal:
    if not prices.has_geo_price or usage.inference_geo in _NO_REGION:
        return Decimal(1)
    if usage.inference_geo != "us":
        raise UnpricedError("inference_geo", "the API reported a region whose price is not known")
    return US_MULTIPLIER
