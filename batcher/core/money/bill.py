"""Computes what the API bills for a response: its usage and its exact cost."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from batcher.core.answers.message import Message
from batcher.core.money.believable import UsageLimits, refuse_nothing
from batcher.core.money.cost import UnpricedError, cache_saving, is_free_refusal, priced
from batcher.core.money.prices import PriceTable, UnknownModelError
from batcher.core.money.rates import ModelPrices
from batcher.core.money.usage import Usage, cache_split_problem, parse_usage
from batcher.core.money.usage_problems import ImpossibleUsageError, MissingUsageError, UsageError
from batcher.core.usage_fields import TTL


@dataclass(frozen=True, slots=True)
class Bill:
    """Usage and cost in USD of one response; ``problem`` says why one of them is unknown.

    ``saved_usd`` is what the prompt cache saved, negative when the response only wrote to it.
    ``rates`` names the rates of the price table that priced it; None when it was not billed.
    ``is_impossible``: the response reports more than any answer to its request can have; it is not
    believed. ``note`` says how a usage that contradicts itself was read.
    """

    usage: Usage | None
    cost_usd: Decimal | None
    problem: str | None = None
    saved_usd: Decimal = Decimal(0)
    rates: str | None = None
    is_impossible: bool = False
    note: str | None = None


FREE = Bill(None, Decimal(0))


class Sent(NamedTuple):
    """What the price of a response depends on besides the response: its request.

    ``cache_ttl`` is the longest lifetime in the request: it prices cache writes that the response
    does not split by lifetime. ``turns`` is how often the server may read the prompt, None when
    nothing limits that (see ``WorstCase``).
    """

    model: str
    max_tokens: int
    cache_ttl: TTL = "5m"
    turns: int | None = 1


def bill(
    message: Message, sent: Sent, table: PriceTable, free_fields: Collection[str] = ()
) -> Bill:
    """Price a message by the model that its response names.

    When the price table lacks the model of the response (a server may have names of its own), the
    requested model's prices apply. A model whose prices are all zero costs nothing for any usage.
    """
    prices = prices_of(message.model, sent.model, table)
    is_free = prices.standard.are_zero
    try:
        usage, note = read_usage(message, sent, prices, free_fields)
    except UsageError as error:
        if is_free:
            return FREE
        return Bill(None, None, str(error), is_impossible=isinstance(error, ImpossibleUsageError))
    if is_free_refusal(message.stop_reason, message.stop_category, has_output=message.has_output):
        return Bill(usage, Decimal(0))
    try:
        cost_usd, rates = priced(usage, prices)
        is_cached = usage.prompt_tokens > usage.input_tokens
        saved_usd = cache_saving(usage, prices) if is_cached else Decimal(0)
        return Bill(usage, cost_usd, saved_usd=saved_usd, rates=rates, note=note)
    except UnpricedError as error:
        return Bill(usage, None, str(error))


def read_usage(
    message: Message, sent: Sent, prices: ModelPrices, free_fields: Collection[str] = ()
) -> tuple[Usage, str | None]:
    """Read the usage of a message, with a note when it contradicts itself.

    UsageError when it is missing, unreadable or not believable. A count of nothing is possible
    for a model without a price, and for a refusal that is not billed.
    """
    if message.usage is None:
        raise MissingUsageError
    usage = parse_usage(message.usage, cache_ttl=sent.cache_ttl, free_fields=free_fields)
    UsageLimits.of(prices, sent.max_tokens, sent.turns).refuse_too_much(usage)
    reason, category = message.stop_reason, message.stop_category
    is_free = is_free_refusal(reason, category, has_output=message.has_output)
    if not is_free and not prices.standard.are_zero:
        refuse_nothing(usage, message)
    return usage, cache_split_problem(message.usage)


def prices_of(response_model: str | None, requested_model: str, table: PriceTable) -> ModelPrices:
    """Return the prices of the response's model, else those of the requested one."""
    try:
        return table.model(response_model or requested_model)
    except UnknownModelError:
        return table.model(requested_model)
