"""The lines of a bill are computed from sums, and sum exactly to the billed amount."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tables import TABLE, usages

from batcher.core.money.cost import cost, explain, rates_name
from batcher.core.money.exact import total
from batcher.core.money.pinned import PinnedPrices
from batcher.core.money.statement import NOT_ITEMISED, UNEXPLAINED, Charge, statement
from batcher.core.money.usage import Usage
from batcher.core.usage_fields import BILLED_FIELDS

PINNED = {"now": PinnedPrices.of(TABLE)}
MODELS = ["claude-haiku-5-5", "claude-opus-5-5", "claude-haiku-4-5-20251001"]
RESPONSES = st.lists(
    st.sampled_from(MODELS).flatmap(
        lambda model: st.tuples(st.just(model), usages(model, st.integers(0, 150_000)))
    ),
    max_size=12,
)


def charges(responses: Iterable[tuple[str, Usage]]) -> list[Charge]:
    """Group responses as the checkpoint does, which has no count of web searches."""
    groups: dict[tuple[str, str, str], list[tuple[Usage, Decimal]]] = defaultdict(list)
    for model, usage in responses:
        prices = TABLE.model(model)
        key = (model, rates_name(usage, prices), delivery_of(usage))
        groups[key].append((usage, cost(usage, prices)))
    return [
        Charge(
            prices="now",
            response_model=model,
            requested_model="some-model",
            rates=rates,
            delivery=delivery,
            usage=Usage(
                **{
                    field: sum(getattr(usage, field) for usage, _ in members)
                    for field in BILLED_FIELDS
                }
            ),
            usd=total(usd for _, usd in members),
        )
        for (model, rates, delivery), members in groups.items()
    ]


def delivery_of(usage: Usage) -> str:
    """Return how a request was sent; nothing forces the API to report the tier of a batch."""
    return "batch" if usage.service_tier in ("batch", "priority") else "live"


@settings(max_examples=150, deadline=None)
@given(RESPONSES)
def test_the_lines_equal_those_of_each_response_and_sum_to_the_cost(responses: Any) -> None:
    """Each kind computed from sums equals its sum over responses; nothing is left over."""
    wanted: dict[tuple[str, str, str, str], list[Fraction]] = defaultdict(lambda: [Fraction(0)] * 2)
    for model, usage in responses:
        for line in explain(usage, TABLE.model(model)):
            rates = rates_name(usage, TABLE.model(model))
            key = (model, delivery_of(usage), rates, line.kind)
            quantity, usd = wanted[key]
            wanted[key] = [quantity + line.quantity, usd + Fraction(line.amount)]
    lines = statement(charges(responses), PINNED)
    found = {
        (line.model, line.delivery, line.rates, line.kind): [line.quantity, Fraction(line.usd)]
        for line in lines
    }
    assert found == wanted
    assert len(found) == len(lines)
    spent = sum(Fraction(cost(usage, TABLE.model(model))) for model, usage in responses)
    assert sum((Fraction(line.usd) for line in lines), Fraction(0)) == spent


@settings(max_examples=100, deadline=None)
@given(RESPONSES, st.decimals(-1, 1, places=18))
def test_an_unexplained_cost_has_its_own_line(responses: Any, off: Decimal) -> None:
    """A recorded cost that differs from its terms is web searches, or a line of its own."""
    found = [
        Charge(c.prices, c.response_model, c.requested_model, c.rates, c.usage, total([c.usd, off]))
        for c in charges((model, usage) for model, usage in responses)
    ]
    lines = statement(found, PINNED)
    assert total(line.usd for line in lines) == total(charge.usd for charge in found)
    rest = total(line.usd for line in lines if line.kind == UNEXPLAINED)
    if off % Decimal("0.01"):
        searches = [usage.web_search_requests for _, usage in responses]
        whole = total([off] * len(found))
        assert rest == total([whole, sum(searches) * Decimal("0.01")])


def test_a_cost_without_rates_is_not_itemised() -> None:
    """Without recorded rates or without its table, a charge is one line of its model."""
    usage = Usage(10, 5)
    for prices, rates in ((None, None), ("now", None), ("lost", "standard"), ("now", "fast")):
        charge = Charge(prices, "claude-haiku-5-5", "claude-haiku-5-5", rates, usage, Decimal(2))
        (line,) = statement([charge], PINNED)
        assert (line.kind, line.quantity, line.usd) == (NOT_ITEMISED, None, Decimal(2))
    assert statement([Charge(None, None, "m", None, usage, Decimal(0))], PINNED) == ()


def test_the_number_of_searches_is_never_negative() -> None:
    """A cost that is whole cents too low is unexplained, not a negative number of searches."""
    usage = Usage(1_000_000, 0)
    model = "claude-haiku-5-5"
    charge = Charge("now", model, model, "standard", usage, Decimal("0.08"))
    tokens, rest = statement([charge], PINNED)
    assert (tokens.kind, tokens.usd) == ("input", Decimal("0.1"))
    assert (rest.kind, rest.quantity, rest.usd) == (UNEXPLAINED, None, Decimal("-0.02"))


def test_the_same_kind_of_two_tables_is_one_line() -> None:
    """Each charge is priced with its own table; the line is their sum."""
    higher = PinnedPrices.read(PINNED["now"].text.replace('"input":"0.1"', '"input":"0.3"'))
    charge = ["claude-haiku-5-5", "claude-haiku-5-5", "standard", Usage(1_000_000, 0)]
    found = [Charge("now", *charge, Decimal("0.1")), Charge("higher", *charge, Decimal("0.3"))]
    (line,) = statement(found, {**PINNED, "higher": higher})
    assert (line.kind, line.quantity, line.usd) == ("input", 2_000_000, Decimal("0.4"))


def test_a_response_with_an_unknown_model_is_priced_as_requested() -> None:
    """The same rule as when the response was priced: a server may have its own names."""
    usage = Usage(1_000_000, 0)
    charge = Charge("now", "own", "claude-haiku-4-5", "standard", usage, Decimal(1))
    (line,) = statement([charge], PINNED)
    assert (line.model, line.kind) == ("claude-haiku-4-5-20251001", "input")
