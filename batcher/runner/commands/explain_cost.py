"""Explains the recorded cost of an attempt, with the prices that its run used."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from batcher.core.answers.message import Message
from batcher.core.money.bill import Sent, prices_of, read_usage
from batcher.core.money.cost import (
    CostLine,
    UnpricedError,
    difference,
    explain,
    is_free_refusal,
    rates_name,
)
from batcher.core.money.pinned import PinnedPrices
from batcher.core.money.prices import UnknownModelError
from batcher.core.money.statement import Charge, itemised
from batcher.core.money.usage_problems import UsageError
from batcher.runner.commands.results import Results
from batcher.runner.job_context import JobContext
from batcher.store.bill import price_tables, tables_of_runs, usage_of

_MOST_TOKENS = 10_000_000  # of an answer whose request has a max_tokens of its own


@dataclass(frozen=True, slots=True)
class PricesUsed:
    """The prices that explain a cost.

    ``date`` is the date of the price table, or with ``is_override`` of the job file's own prices;
    None when the job file gives no date. ``is_pinned``: the prices that the run used; otherwise
    today's prices.
    """

    date: date | None
    is_override: bool
    rates: str
    is_pinned: bool


@dataclass(frozen=True, slots=True)
class CostExplained:
    """The lines of a cost; ``problem`` says why there are none.

    ``unexplained_usd`` is the recorded cost minus the sum of the lines.
    """

    lines: tuple[CostLine, ...]
    prices: PricesUsed | None = None
    unexplained_usd: Decimal = Decimal(0)
    problem: str | None = None


def explain_cost(
    results: Results, attempt: Mapping[str, Any], message: Message | None
) -> CostExplained:
    """Itemise the cost of a billed attempt; use today's prices if those of its run are lost."""
    digests = results.db(tables_of_runs)
    table = results.db(price_tables).get(digests.get(attempt["run_id"], ""))
    pinned = None if table is None else _with_pinned_prices(table, attempt)
    if pinned is not None:
        return pinned
    if message is None:
        return CostExplained((), problem="the response has no message")
    return _with_prices_of_today(results.context, attempt, message)


def wasted(
    attempt: Mapping[str, Any], result: Mapping[str, Any]
) -> Literal["failed", "repeated"] | None:
    """Return why a billed attempt is waste; None when it is not.

    ``failed``: its row has no good answer. ``repeated``: another attempt answers the row.
    """
    if attempt["billing"] != "billed":
        return None
    if result["status"] != "succeeded":
        return "failed"
    return None if attempt["attempt_id"] == result["attempt_id"] else "repeated"


def _with_pinned_prices(table: PinnedPrices, attempt: Mapping[str, Any]) -> CostExplained | None:
    if attempt["cost_usd"] is None or attempt["rates"] is None:
        return None
    responding, requested = attempt["model"], attempt["requested_model"]
    usd, rates = attempt["cost_usd"], attempt["rates"]
    charge = Charge(None, responding, requested, rates, usage_of(attempt), usd)
    lines = itemised(charge, table)
    if lines is None:
        return None
    is_override = table.model(responding, requested) in table.overridden
    day = table.overrides_as_of if is_override else table.as_of
    used = PricesUsed(day, is_override, rates, is_pinned=True)
    return CostExplained(lines, used, difference(usd, lines))


def _with_prices_of_today(
    context: JobContext, attempt: Mapping[str, Any], message: Message
) -> CostExplained:
    if is_free_refusal(message.stop_reason, message.stop_category, has_output=message.has_output):
        return CostExplained((), problem="a refusal before any output is not billed")
    section, requested = context.job.prices, attempt["requested_model"]
    sent = Sent(requested, context.policy.max_tokens or _MOST_TOKENS)
    try:
        prices = prices_of(message.model, requested, context.prices)
        usage, _ = read_usage(message, sent, prices, section.free_usage_fields)
        lines, rates = explain(usage, prices), rates_name(usage, prices)
    except (UsageError, UnpricedError, UnknownModelError) as error:
        return CostExplained((), problem=str(error))
    if attempt["cost_usd"] is None:
        return CostExplained((), problem="the run could not price the usage in the response")
    day = section.as_of if prices.is_override else context.prices.as_of
    used = PricesUsed(day, prices.is_override, rates, is_pinned=False)
    return CostExplained(lines, used, difference(attempt["cost_usd"], lines))
