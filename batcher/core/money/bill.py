"""Computes what the API bills for a response: its usage and its exact cost."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from batcher.core.answers.message import Message
from batcher.core.money.cost import UnpricedError, cache_saving, cost, is_free_refusal, rates_name
from batcher.core.money.prices import ModelPrices, PriceTable, UnknownModelError
from batcher.core.money.usage import Usage, UsageError, parse_usage
from batcher.core.usage_fields import TTL


@dataclass(frozen=True, slots=True)
class Bill:
    """Usage and cost in USD of one response; ``problem`` says why one of them is unknown.

    ``saved_usd`` is what the prompt cache saved, negative when the response only wrote to it.
    ``rates`` names the rates of the price table that priced it; None when it was not billed.
    """

    usage: Usage | None
    cost_usd: Decimal | None
    problem: str | None = None
    saved_usd: Decimal = Decimal(0)
    rates: str | None = None


FREE = Bill(None, Decimal(0))


def bill(
    message: Message,
    requested_model: str,
    table: PriceTable,
    free_fields: Collection[str] = (),
    cache_ttl: TTL = "5m",
) -> Bill:
    """Price a message by the model that its response names.

    ``cache_ttl`` is the longest lifetime in the request: it prices cache writes that the response
    does not split by lifetime. When the price table lacks the model of the response (a server may
    have names of its own), the requested model's prices apply. A model whose prices are all zero
    costs nothing for any usage.
    """
    prices = prices_of(message.model, requested_model, table)
    is_free = prices.standard.are_zero
    if message.usage is None:
        problem = None if is_free else "the response reports no usage"
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
        saved_usd = cache_saving(usage, prices) if is_cached else Decimal(0)
        return Bill(usage, cost_usd, saved_usd=saved_usd, rates=rates_name(usage, prices))
    except UnpricedError as error:
        return Bill(usage, None, str(error))


def prices_of(response_model: str | None, requested_model: str, table: PriceTable) -> ModelPrices:
    """Return the prices of the response's model, else those of the requested one."""
    try:
        return table.model(response_model or requested_model)
    except UnknownModelError:
        return table.model(requested_model)
