"""A response is priced exactly or its cost is unknown; an unknown cost is never zero."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import batcher
from batcher.core.answers.message import Message, parse_message
from batcher.core.job import PriceOverride
from batcher.core.money.bill import Sent, bill
from batcher.core.money.prices import PriceTable, UnknownModelError

TABLE = PriceTable.parse((Path(batcher.__file__).parent / "data" / "models.json").read_text())
MODEL = "claude-haiku-5-5"
SENT = Sent(MODEL, 400)
USAGE = {"input_tokens": 1000, "output_tokens": 100}


def message(**changes: Any) -> Message:
    """Parse a message with changes."""
    fields = {"type": "message", "model": MODEL, "stop_reason": "end_turn", "usage": USAGE}
    return parse_message(json.dumps({"content": [], **fields, **changes}).encode())


def free_table(**rates: Decimal) -> PriceTable:
    """A price table with a model of the user's own server."""
    override = PriceOverride(**({"input": Decimal(0), "output": Decimal(0)} | rates))
    return TABLE.with_overrides({"own": override})


def expected(model: str) -> Decimal:
    """Price USAGE by hand."""
    rates = TABLE.model(model).standard
    return (1000 * rates.input + 100 * rates.output) / 1_000_000


def test_a_response_is_priced_by_its_usage() -> None:
    """Tokens times rates, to the last digit."""
    found = bill(message(), SENT, TABLE)
    assert found.cost_usd == expected(MODEL)
    assert found.usage is not None
    assert (found.usage.input_tokens, found.usage.output_tokens) == (1000, 100)
    assert found.problem is None


def test_the_responses_model_sets_the_price() -> None:
    """It may differ from the requested one."""
    other = "claude-opus-5-5"
    assert bill(message(model=other), SENT, TABLE).cost_usd == expected(other) != expected(MODEL)


@pytest.mark.parametrize("model", [None, "haiku-on-our-own-server"])
def test_a_model_name_without_a_price_is_priced_as_requested(model: str | None) -> None:
    """A server may use its own names for models; the requested model's price applies."""
    assert bill(message(model=model), SENT, TABLE).cost_usd == expected(MODEL)


def test_a_price_is_needed() -> None:
    """Neither the response's nor the requested model has a price: an error, never zero."""
    with pytest.raises(UnknownModelError):
        bill(message(model="x"), Sent("y", 400), TABLE)


@pytest.mark.parametrize(
    ("usage", "problem"),
    [
        pytest.param(None, "no usage", id="none"),
        pytest.param({}, "input_tokens", id="empty"),
        pytest.param(USAGE | {"input_tokens": -1}, "input_tokens", id="negative"),
        pytest.param(USAGE | {"input_tokens": "5"}, "input_tokens", id="text"),
        pytest.param(USAGE | {"new_tokens": 3}, "new_tokens", id="unknown field"),
        pytest.param(USAGE | {"speed": "warp"}, "speed", id="unknown speed"),
        pytest.param(USAGE | {"service_tier": "gold"}, "service_tier", id="unknown tier"),
    ],
)
def test_a_usage_without_a_price_has_an_unknown_cost(usage: Any, problem: str) -> None:
    """The cost is None, and the problem names the field."""
    found = bill(message(usage=usage), SENT, TABLE)
    assert found.cost_usd is None
    assert problem in (found.problem or "")


def test_a_field_can_be_declared_free() -> None:
    """The job file may say that a field costs nothing."""
    free = message(usage=USAGE | {"new_tokens": 3})
    assert bill(free, SENT, TABLE, ("new_tokens",)).cost_usd == expected(MODEL)


@pytest.mark.parametrize("usage", [None, {}, USAGE | {"new_tokens": 3}])
def test_a_model_with_prices_of_zero_costs_nothing(usage: Any) -> None:
    """For any usage, also a missing or an invalid one."""
    found = bill(message(usage=usage, model="own"), Sent("own", 400), free_table())
    assert (found.cost_usd, found.problem) == (0, None)


def test_a_model_that_is_only_partly_free_is_not_free() -> None:
    """With one rate above zero, a missing usage makes the cost unknown."""
    table = free_table(output=Decimal(1))
    assert bill(message(usage=None, model="own"), Sent("own", 400), table).cost_usd is None


@pytest.mark.parametrize(
    ("category", "has_output", "is_free"),
    [
        ("cyber", False, True),
        ("general_harms", False, True),
        (None, False, True),
        ("bio", False, False),
        ("frontier_llm", False, False),
        ("reasoning_extraction", False, False),
        ("a_new_one", False, False),
        ("cyber", True, False),
        (None, True, False),
    ],
)
def test_refusals(category: str | None, has_output: bool, is_free: bool) -> None:
    """Some refusals before any output are not billed; their tokens are still counted."""
    content = [{"type": "text", "text": "part"}] if has_output else []
    refusal = message(stop_reason="refusal", stop_details={"category": category}, content=content)
    found = bill(refusal, SENT, TABLE)
    assert found.cost_usd == (0 if is_free else expected(MODEL))
    assert found.usage is not None
