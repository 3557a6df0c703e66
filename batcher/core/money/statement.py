"""A bill, line by line: what each kind of token came to, by model, delivery and rates, exactly."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from batcher.core.money.cost import CostLine, difference, search_line, token_lines
from batcher.core.money.exact import total
from batcher.core.money.pinned import PinnedPrices
from batcher.core.money.usage import Usage

NOT_ITEMISED = "not itemised"
"""The kind of what was recorded without its rates, by an older batcher or before a damage."""

UNEXPLAINED = "unexplained"
"""The kind of what recorded costs and our arithmetic differ by; there should be none."""

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

    ``prices`` is the digest of the table and ``rates`` a name of ``rates_name``, both None where
    they were not recorded. ``answered`` is the model that the answers name, ``asked`` the other.
    """

    prices: str | None
    answered: str | None
    asked: str
    rates: str | None
    usage: Usage
    usd: Decimal


@dataclass(frozen=True, slots=True)
class BillLine:
    """So many of one kind, and what they came to; ``quantity`` is None where it is not known."""

    model: str
    delivery: Literal["live", "batch"]
    rates: str | None
    kind: str
    quantity: int | None
    usd: Decimal


def statement(
    charges: Iterable[Charge], tables: Mapping[str, PinnedPrices]
) -> tuple[BillLine, ...]:
    """Itemise charges by the tables they were priced with; the lines sum to them exactly.

    What rates and tokens do not come to is web searches, where it is a whole number of them, and
    else a line of its own: never spread over others or left out.
    """
    sums: dict[tuple[str, str | None, str], tuple[int | None, Decimal]] = {}
    for charge in charges:
        table = None if charge.prices is None else tables.get(charge.prices)
        model = (table and table.model(charge.answered, charge.asked)) or charge.asked
        for kind, quantity, usd in _terms(charge, table):
            key = (model, charge.rates, kind)
            known, before = sums.get(key, (0 if quantity is not None else None, Decimal(0)))
            together = None if known is None or quantity is None else known + quantity
            sums[key] = (together, total([before, usd]))
    lines = (
        BillLine(model, _delivery(rates), rates, kind, quantity, usd)
        for (model, rates, kind), (quantity, usd) in sums.items()
    )
    return tuple(sorted(lines, key=_place))


def itemised(charge: Charge, table: PinnedPrices) -> tuple[CostLine, ...] | None:
    """The terms of a charge by the table it was priced with; None when that has no such rates.

    What its sum lacks to ``charge.usd`` is not explained.
    """
    model = table.model(charge.answered, charge.asked)
    if model is None or charge.rates is None:
        return None
    found = table.rates(model, charge.rates)
    if found is None:
        return None
    tokens = token_lines(charge.usage, *found)
    rest = difference(charge.usd, tokens)
    each = table.usd_per_web_search
    if rest > 0 and each and rest % each == 0:
        return (*tokens, search_line(int(rest / each), each))
    return tokens


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


def _delivery(rates: str | None) -> Literal["live", "batch"]:
    return "batch" if rates is not None and "batch" in rates.split() else "live"


def _place(line: BillLine) -> tuple[str, str, str, int]:
    return line.model, line.delivery, line.rates or "", _KINDS.index(line.kind)
