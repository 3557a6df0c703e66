"""What an answer is billed: from its message to usage and exact cost."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from batcher.core.answers.message import Message
from batcher.core.money.cache_saving import saving
from batcher.core.money.cost import UnpricedError, cost, is_free_refusal, rates_name
from batcher.core.money.exact import total
from batcher.core.money.prices import ModelPrices, PriceTable, UnknownModelError
from batcher.core.money.usage import Usage, UsageError, parse_usage
from batcher.core.usage_fields import TTL


@dataclass(frozen=True, slots=True)
class Bill:
    """Usage and cost in USD of one answer; ``problem`` says why one of them is unknown.

    ``saved_usd`` is what the prompt cache saved of it, negative for a write without reads.
    ``rates`` says by which rates of the price table it was priced, None when it was not billed.
    """

    usage: Usage | None
    cost_usd: Decimal | None
    problem: str | None = None
    saved_usd: Decimal = Decimal(0)
    rates: str | None = None


FREE = Bill(None, Decimal(0))


def bill(
    message: Message,
    asked_model: str,
    table: PriceTable,
    free_fields: Collection[str] = (),
    cache_ttl: TTL = "5m",
) -> Bill:
    """Price a message by the model that answered.

    ``cache_ttl`` is the longest the request asked for: it prices cache writes that are not split.

    A server that gives its models names of its own is priced as the model asked for. A model
    whose prices are all zero costs nothing whatever its usage says.
    """
    prices = prices_of(message.model, asked_model, table)
    is_free = _is_free_of_charge(prices)
    if message.usage is None:
        problem = None if is_free else "the answer reports no usage"
        return Bill(None, Decimal(0) if is_free else None, problem)
    try:
        usage = parse_usage(message.usage, cache_ttl=cache_ttl, free_fields=free_fields)
    except UsageError as error:
        return Bill(None, Decimal(0) if is_free else None, None if is_free else str(error))
    if is_free_refusal(message.stop_reason, message.stop_category, has_output=message.has_output):
        return Bill(usage, Decimal(0))
    try:
        cost_usd = cost(usage, prices)
        is_cached = usage.prompt_tokens > usage.input_tokens
        saved_usd = saving(usage, prices) if is_cached else Decimal(0)
        return Bill(usage, cost_usd, saved_usd=saved_usd, rates=rates_name(usage, prices))
    except UnpricedError as error:
        return Bill(usage, None, str(error))


def prices_of(answered: str | None, asked: str, table: PriceTable) -> ModelPrices:
    """The prices of the model that answered, of the one asked for where that has none."""
    try:
        return table.model(answered or asked)
    except UnknownModelError:
        return table.model(asked)


def _is_free_of_charge(prices: ModelPrices) -> bool:
    rates = prices.standard
    return (
        total(
            [
                rates.input,
                rates.output,
                rates.cache_write_5m,
                rates.cache_write_1h,
                rates.cache_read,
            ]
        )
        == 0
    )
