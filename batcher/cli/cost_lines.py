"""Writes the cost of an answer line by line: tokens, rates, amounts and their sum."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from batcher.core.money.display import exact_text


def cost_lines(sample: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines about the cost of a sample, as ``show`` has them; none if nothing was billed.

    ``sample`` is that of ``show --json``.
    """
    billed = [attempt for attempt in sample["attempts"] if attempt["cost"] is not None]
    if not billed:
        return
    yield "\ncost"
    prices = None
    for attempt in billed:
        cost = attempt["cost"]
        if cost["prices"] and cost["prices"] != prices:
            prices = cost["prices"]
            yield f"  {_prices_text(prices)}"
        for line in cost["lines"]:
            yield f"  {_cost_line(line)}"
        if cost["problem"]:
            yield f"  {cost['problem']}"
        if cost["unexplained_usd"] != "0":
            yield f"  recorded ${attempt['cost_usd']}, which is {_difference(cost)}"
    yield f"  {'sum':<15}${sample['cost_usd']}"


def _prices_text(used: Mapping[str, Any]) -> str:
    """Return the source, the date and the rates of the prices."""
    source = "the job file's prices" if used["is_override"] else "prices"
    text = source + (f" of {used['date']}" if used["date"] else "")
    text += f", {used['rates']} rates"
    return text if used["is_pinned"] else f"{text}; current prices, because the run recorded none"


def _difference(cost: Mapping[str, Any]) -> str:
    rest = Decimal(cost["unexplained_usd"])
    text = f"${exact_text(abs(rest))} {'more' if rest > 0 else 'less'}"
    return text if cost["prices"]["is_pinned"] else f"{text}: the prices have changed since"


def _cost_line(line: dict[str, Any]) -> str:
    text = f"{line['kind']:<15}{line['quantity']:,} x ${line['rate_usd']}"
    if line["per"] != 1:
        text += f" / {line['per']:,}"
    if line["multiplier"] != "1":
        text += f" x {line['multiplier']}"
    return f"{text} = ${line['amount_usd']}"
