"""An itemised bill: the exact cost of each kind of token, by model, delivery and rates."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from batcher.core.money.cost import CostLine, difference, search_line, token_lines
from batcher.core.money.display import Usd
from batcher.core.money.exact import total
from batcher.core.money.pinned import PinnedPrices
from batcher.core.money.usage import Usage

NOT_ITEMISED = "not itemised"
"""The kind of a cost whose rates were not recorded (older version) or were lost to damage."""

Delivery = Literal["live", "batch"]

UNEXPLAINED = "unexplained"
"""The kind of a difference between recorded and recomputed costs; there should be none."""

_KINDS = (
    "input",
    "cache write 5m",
    "cache write 1h",
    "cache read",
    "output",
    "web search",
    NOT_ITEMISED,
    UNEXPLAINED,
)


@dataclass(frozen=True, slots=True)
class Charge:
    """Exact sums over attempts that were priced alike: one price table, model and rates.

    ``prices`` is the digest of the table and ``rates`` a name from ``rates_name``; both are None
    when they were not recorded. ``response_model`` is the model that the responses name.
    ``delivery`` is how they were sent; their price follows from ``rates`` alone.
    """

    prices: str | None
    response_model: str | None
    requested_model: str
    rates: str | None
    usage: Usage
    usd: Decimal
    delivery: Delivery = "live"


@dataclass(frozen=True, slots=True)
class BillLine:
    """The quantity and the cost of one kind; ``quantity`` is None when it is not known."""

    model: str
    delivery: Delivery
    rates: str | None
    kind: str
    quantity: int | None
    usd: Usd


def statement(
    charges: Iterable[Charge], tables: Mapping[str, PinnedPrices]
) -> tuple[BillLine, ...]:
    """Itemise charges by the tables that priced them; the lines sum exactly to the charges.

    A remainder that tokens and rates do not explain counts as web searches when it is a whole
    number of them. Otherwise it gets a line of its own: it is never spread over other lines or
    left out.
    """
    terms = defaultdict(list)
    for charge in charges:
        table = None if charge.prices is None else tables.get(charge.prices)
        model = None if table is None else _model(table, charge)
        for kind, quantity, usd in _terms(charge, table):
            key = (model or charge.requested_model, charge.delivery, charge.rates, kind)
            terms[key].append((quantity, usd))
    lines = []
    for (name, delivery, rates, kind), amounts in terms.items():
        quantities = [quantity for quantity, _ in amounts if quantity is not None]
        quantity = sum(quantities) if len(quantities) == len(amounts) else None
        usd = total(usd for _, usd in amounts)
        lines.append(BillLine(name, delivery, rates, kind, quantity, usd))
    return tuple(sorted(lines, key=_order))


def itemised(charge: Charge, table: PinnedPrices) -> tuple[CostLine, ...] | None:
    """Itemise a charge by the table that priced it; None when the table lacks its rates.

    The lines may sum to less or more than ``charge.usd``: the difference is unexplained.
    """
    model = _model(table, charge)
    if model is None or charge.rates is None:
        return None
    rates = table.rates(model, charge.rates)
    if rates is None:
        return None
    tokens = token_lines(charge.usage, *rates)
    rest = difference(charge.usd, tokens)
    search_usd = table.usd_per_web_search
    if rest > 0 and search_usd and rest % search_usd == 0:
        return (*tokens, search_line(int(rest / search_usd), search_usd))
    return tokens


def _model(table: PinnedPrices, charge: Charge) -> str | None:
    return table.model(charge.response_model, charge.requested_model)


def _terms(charge: Charge, table: PinnedPrices | None) -> Iterator[tuple[str, int | None, Decimal]]:
    """Yield kind, quantity and USD."""
    lines = None if table is None else itemised(charge, table)
    if lines is None:
        if charge.usd:
            yield NOT_ITEMISED, None, charge.usd
        return
    for line in lines:
        yield line.kind, line.quantity, line.amount
    if rest := difference(charge.usd, lines):
        yield UNEXPLAINED, None, rest


def _order(line: BillLine) -> tuple[str, str, str, int]:
    return line.model, line.delivery, line.rates or "", _KINDS.index(line.kind)
