"""A bill's lines come from sums, and sum to what was billed, to the last digit."""

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

PINNED = {"now": PinnedPrices.of(TABLE)}
MODELS = ["claude-haiku-5-5", "claude-opus-5-5", "claude-haiku-4-5-20251001"]
ANSWERS = st.lists(
    st.sampled_from(MODELS).flatmap(
        lambda model: st.tuples(st.just(model), usages(model, st.integers(0, 150_000)))
    ),
    max_size=12,
)


def charges(answers: Iterable[tuple[str, Usage]]) -> list[Charge]:
    """Group answers as the checkpoint does; it keeps no count of web searches."""
    groups: dict[tuple[str, str], list[tuple[Usage, Decimal]]] = defaultdict(list)
    for model, usage in answers:
        prices = TABLE.model(model)
        groups[model, rates_name(usage, prices)].append((usage, cost(usage, prices)))
    return [
        Charge(
            prices="now",
            response_model=model,
            requested_model="somebody",
            rates=rates,
            usage=Usage(
                input_tokens=sum(usage.input_tokens for usage, _ in members),
                output_tokens=sum(usage.output_tokens for usage, _ in members),
                cache_creation_5m_input_tokens=sum(
                    usage.cache_creation_5m_input_tokens for usage, _ in members
                ),
                cache_creation_1h_input_tokens=sum(
                    usage.cache_creation_1h_input_tokens for usage, _ in members
                ),
                cache_read_input_tokens=sum(usage.cache_read_input_tokens for usage, _ in members),
            ),
            usd=total(usd for _, usd in members),
        )
        for (model, rates), members in groups.items()
    ]


@settings(max_examples=150, deadline=None)
@given(ANSWERS)
def test_the_lines_are_those_of_each_answer_and_sum_to_all(answers: Any) -> None:
    """Priced from sums, each kind comes to what it does answer by answer; nothing is left over."""
    wanted: dict[tuple[str, str, str, str], list[Fraction]] = defaultdict(lambda: [Fraction(0)] * 2)
    for model, usage in answers:
        for line in explain(usage, TABLE.model(model)):
            rates = rates_name(usage, TABLE.model(model))
            delivery = "batch" if usage.service_tier == "batch" else "live"
            key = (model, delivery, rates, line.kind)
            quantity, usd = wanted[key]
            wanted[key] = [quantity + line.quantity, usd + Fraction(line.amount)]
    lines = statement(charges(answers), PINNED)
    found = {
        (line.model, line.delivery, line.rates, line.kind): [line.quantity, Fraction(line.usd)]
        for line in lines
    }
    assert found == wanted
    assert len(found) == len(lines)
    spent = sum(Fraction(cost(usage, TABLE.model(model))) for model, usage in answers)
    assert sum((Fraction(line.usd) for line in lines), Fraction(0)) == spent


@settings(max_examples=100, deadline=None)
@given(ANSWERS, st.decimals(-1, 1, places=18))
def test_what_cannot_be_explained_is_said(answers: Any, off: Decimal) -> None:
    """A recorded cost that differs from its terms gets a line of its own, or is web searches."""
    found = [
        Charge(c.prices, c.response_model, c.requested_model, c.rates, c.usage, total([c.usd, off]))
        for c in charges((model, usage) for model, usage in answers)
    ]
    lines = statement(found, PINNED)
    assert total(line.usd for line in lines) == total(charge.usd for charge in found)
    rest = total(line.usd for line in lines if line.kind == UNEXPLAINED)
    if off % Decimal("0.01"):
        searches = [usage.web_search_requests for _, usage in answers]
        whole = total([off] * len(found))
        assert rest == total([whole, sum(searches) * Decimal("0.01")])


def test_a_cost_without_rates_is_not_itemised() -> None:
    """What an older batcher recorded, or whose table is lost, is one line of the model asked."""
    usage = Usage(10, 5)
    for prices, rates in ((None, None), ("now", None), ("lost", "standard"), ("now", "fast")):
        charge = Charge(prices, "claude-haiku-5-5", "claude-haiku-5-5", rates, usage, Decimal(2))
        (line,) = statement([charge], PINNED)
        assert (line.kind, line.quantity, line.usd) == (NOT_ITEMISED, None, Decimal(2))
    assert statement([Charge(None, None, "m", None, usage, Decimal(0))], PINNED) == ()


def test_there_are_no_fewer_than_no_searches() -> None:
    """A cost that lacks whole cents is unexplained, though it is a multiple of a search's price."""
    usage = Usage(1_000_000, 0)
    model = "claude-haiku-5-5"
    charge = Charge("now", model, model, "standard", usage, Decimal("0.08"))
    tokens, rest = statement([charge], PINNED)
    assert (tokens.kind, tokens.usd) == ("input", Decimal("0.1"))
    assert (rest.kind, rest.quantity, rest.usd) == (UNEXPLAINED, None, Decimal("-0.02"))


def test_the_same_kind_of_two_tables_is_one_line() -> None:
    """Each is priced with its own table, and both are added."""
    dear = PinnedPrices.read(PINNED["now"].text.replace('"input":"0.1"', '"input":"0.3"'))
    charge = ["claude-haiku-5-5", "claude-haiku-5-5", "standard", Usage(1_000_000, 0)]
    found = [Charge("now", *charge, Decimal("0.1")), Charge("dear", *charge, Decimal("0.3"))]
    (line,) = statement(found, {**PINNED, "dear": dear})
    assert (line.kind, line.quantity, line.usd) == ("input", 2_000_000, Decimal("0.4"))


def test_an_answer_of_an_unknown_name_is_priced_as_asked() -> None:
    """A server that calls its models something else, as when the answer was priced."""
    usage = Usage(1_000_000, 0)
    charge = Charge("now", "own", "claude-haiku-4-5", "standard", usage, Decimal(1))
    (line,) = statement([charge], PINNED)
    assert (line.model, line.kind) == ("claude-haiku-4-5-20251001", "input")
