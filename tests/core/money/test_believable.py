"""A usage that an answer cannot have is not believed: its cost is unknown, not huge and not 0."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import TABLE

from batcher.core.answers.message import Message, parse_message
from batcher.core.job import PriceOverride
from batcher.core.money.bill import Bill, Sent, bill
from batcher.core.money.bound import worst_case

MODEL = "claude-haiku-5-5"
WINDOW = TABLE.model(MODEL).facts.context_window
SENT = Sent(MODEL, 400)
TEXT = [{"type": "text", "text": "an answer"}]


def message(content: Any = TEXT, stop_reason: str = "end_turn", **usage: Any) -> Message:
    """Parse a message with this usage."""
    fields = {"type": "message", "model": MODEL, "stop_reason": stop_reason, "content": content}
    return parse_message(json.dumps({**fields, "usage": usage}).encode())


def bill_of(sent: Sent = SENT, **usage: Any) -> Bill:
    """Price an answer with this usage."""
    return bill(message(**usage), sent, TABLE)


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": 10**15, "output_tokens": 10**15},
        {"input_tokens": 10**30, "output_tokens": 1},
        {"input_tokens": WINDOW + 1, "output_tokens": 1},
        {"input_tokens": 1, "output_tokens": 409},
        {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": WINDOW},
        {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": WINDOW},
        {"input_tokens": 1, "output_tokens": 1, "server_tool_use": {"web_search_requests": 10**9}},
        {"input_tokens": -5, "output_tokens": 10},
    ],
)
def test_what_cannot_be_is_not_believed(usage: Any) -> None:
    """The cost is unknown, no token is counted, and the problem names the field."""
    found = bill_of(**usage)
    assert (found.usage, found.cost_usd, found.is_impossible) == (None, None, True)
    assert "usage field '" in (found.problem or "")


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": WINDOW, "output_tokens": 408},
        {"input_tokens": 1, "output_tokens": 1},
        {"input_tokens": 0, "output_tokens": 1, "cache_read_input_tokens": 5},
        {"input_tokens": 0, "output_tokens": 1, "cache_creation_input_tokens": 5},
    ],
)
def test_what_can_be_is_priced(usage: Any) -> None:
    """A whole window, max_tokens with its slack, and a prompt that is all in the cache."""
    found = bill_of(**usage)
    assert found.cost_usd is not None
    assert found.cost_usd > 0


@pytest.mark.parametrize(("prompt", "output"), [(0, 0), (0, 5), (5, 0)])
@pytest.mark.parametrize("kind", ["text", "thinking", "tool_use"])
def test_nothing_is_not_believed_beside_content(prompt: int, output: int, kind: str) -> None:
    """It costs an unknown amount, not 0, so that a budget holds its bound."""
    content = [{"type": kind, kind: "x", "input": {"a": 1}}]
    found = bill(message(content, input_tokens=prompt, output_tokens=output), SENT, TABLE)
    assert (found.usage, found.cost_usd, found.is_impossible) == (None, None, False)
    assert "is 0" in (found.problem or "")


def test_tools_of_the_server_multiply_what_can_be() -> None:
    """Each use of a web tool reads the prompt again; without max_uses there may be many uses."""
    usage = {"input_tokens": 3 * WINDOW, "output_tokens": 1200}
    assert bill_of(**usage).is_impossible
    assert bill_of(Sent(MODEL, 400, turns=3), **usage).cost_usd is not None
    assert bill_of(Sent(MODEL, 400, turns=None), **usage).cost_usd is not None
    assert bill_of(Sent(MODEL, 400, turns=None), input_tokens=10**15, output_tokens=1).is_impossible


@given(st.integers(0, WINDOW), st.integers(0, 408), st.integers(0, WINDOW), st.integers(0, 3))
def test_a_believed_usage_never_costs_more_than_the_largest_request(
    uncached: int, output: int, read: int, uses: int
) -> None:
    """So one answer can never poison the sums of a job."""
    sent = Sent(MODEL, 400, turns=uses + 1)
    usage = {"input_tokens": uncached, "output_tokens": output, "cache_read_input_tokens": read}
    found = bill(message(**usage), sent, TABLE)
    tools = [{"type": "web_search_20250305", "name": "web_search", "max_uses": uses}]
    request = {"model": MODEL, "max_tokens": 400, "tools": tools, "messages": []}
    body = json.dumps(request | {"messages": [{"content": "x" * 3 * WINDOW}]}).encode()
    most = worst_case(body, request, TABLE.model(MODEL)).usd
    assert found.cost_usd is None or 0 < found.cost_usd <= most


def test_nothing_is_possible_where_nothing_is_billed() -> None:
    """A refusal before any output, and a model whose prices are 0."""
    refusal = message([], "refusal", input_tokens=0, output_tokens=0)
    assert bill(refusal, SENT, TABLE).cost_usd == 0
    free = PriceOverride(input=Decimal(0), output=Decimal(0))
    table = TABLE.with_overrides({"own": free, MODEL: free})
    for usage in ({"input_tokens": 0, "output_tokens": 0}, {"input_tokens": 10**15}):
        assert bill(message(**usage), Sent("own", 400), table).cost_usd == 0


def test_an_empty_answer_may_have_no_output() -> None:
    """Only content has tokens; the prompt always has some."""
    assert bill(message([], input_tokens=9, output_tokens=0), SENT, TABLE).cost_usd is not None
    assert bill(message([], input_tokens=0, output_tokens=0), SENT, TABLE).cost_usd is None


def test_a_split_that_does_not_add_up_is_priced_and_noted() -> None:
    """The reading with the higher cost is priced, and somebody is told."""
    usage = {"input_tokens": 5, "output_tokens": 7, "cache_creation_input_tokens": 10}
    split = {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 3}
    found = bill_of(**usage, cache_creation=split)
    rates = TABLE.model(MODEL).standard
    tokens = 5 * rates.input + 7 * rates.output + 3 * rates.cache_write_5m
    assert found.cost_usd == (tokens + 7 * rates.cache_write_1h) / 1_000_000
    assert "cache_creation" in (found.note or "")
    assert bill_of(**usage).note is None
