"""Costs are exact, itemised, and never guessed."""

import json
import random
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import TABLE, TABLE_TEXT, usages

from batcher.core.money.cost import UnpricedError, cost, explain, is_free_refusal, rates_name
from batcher.core.money.exact import decimals
from batcher.core.money.usage import Usage

ENTRIES = {entry["id"]: entry for entry in json.loads(TABLE_TEXT)["models"]}
MODELS_AND_USAGES = st.sampled_from(TABLE.ids()).flatmap(
    lambda model: st.tuples(st.just(model), usages(model))
)


def by_hand(model: str, usage: Usage) -> Fraction:
    """Apply the documented formula to the raw data in fractions, without our code."""
    entry = ENTRIES[model]
    prompt = (
        usage.input_tokens
        + usage.cache_creation_5m_input_tokens
        + usage.cache_creation_1h_input_tokens
        + usage.cache_read_input_tokens
    )
    row = "usd_per_mtok"
    if usage.speed == "fast":
        row += "_fast"
    elif entry["long_prompt"] is not None and prompt > 100_000:
        row += "_long"
    if usage.service_tier == "batch":
        row += "_batch"
    rate = {kind: Fraction(text) for kind, text in entry[row].items()}
    tokens = (
        usage.input_tokens * rate["input"]
        + usage.cache_creation_5m_input_tokens * rate["write_5m"]
        + usage.cache_creation_1h_input_tokens * rate["write_1h"]
        + usage.cache_read_input_tokens * rate["read"]
        + usage.output_tokens * rate["output"]
    )
    if usage.inference_geo == "us" and entry["inference_geo"]:
        tokens *= Fraction(11, 10)
    return tokens / 1_000_000 + Fraction(usage.web_search_requests, 100)


@settings(max_examples=400, deadline=None)
@given(MODELS_AND_USAGES)
def test_cost_equals_the_formula_in_fractions(case: Any) -> None:
    """For any usage of any model, in any tier, region and speed, the cost is exact."""
    model, usage = case
    amount = cost(usage, TABLE.model(model))
    assert Fraction(amount) == by_hand(model, usage)
    assert amount < Decimal(10) ** 20
    assert decimals(amount) <= 18


def drawn(generator: random.Random, model: str) -> Usage:
    """Draw a usage that a response could have, often near the threshold of long prompts."""

    def count() -> int:
        ranges = [(0, 0), (1, 5_000), (10_000, 60_000), (0, 2_000_000), (0, 2**53)]
        return generator.randint(*generator.choices(ranges, [3, 6, 4, 2, 1])[0])

    speeds = [None, "standard", "fast"] if "usd_per_mtok_fast" in ENTRIES[model] else [None]
    speed = generator.choice(speeds)
    tiers = [None, "standard", "priority"] + ["batch"] * 3 * (speed != "fast")
    return Usage(
        input_tokens=count(),
        output_tokens=count(),
        cache_creation_5m_input_tokens=count(),
        cache_creation_1h_input_tokens=count(),
        cache_read_input_tokens=count(),
        web_search_requests=generator.choice([0, 0, 0, 1, 50]),
        service_tier=generator.choice(tiers),
        inference_geo=generator.choice([None, "global", "us", "us", "not_available"]),
        speed=speed,
    )


def test_ten_thousand_usages_cost_what_the_formula_says() -> None:
    """All models, tiers, regions, speeds and kinds, many times; equal to the last digit."""
    generator, seen = random.Random(20261122), Counter()
    for number in range(10_000):
        model = TABLE.ids()[number % len(TABLE.ids())]
        usage, prices = drawn(generator, model), TABLE.model(model)
        assert Fraction(cost(usage, prices)) == by_hand(model, usage), (model, usage)
        seen[model, rates_name(usage, prices)] += 1
    for model in TABLE.ids():
        prices = TABLE.model(model)
        suffixes = ["", " us"] if prices.has_geo_price else [""]
        wanted = {(model, name + suffix) for name in prices.tiers for suffix in suffixes}
        assert wanted == {found for found in seen if found[0] == model}
    assert min(seen.values()) >= 20


@settings(max_examples=200, deadline=None)
@given(MODELS_AND_USAGES)
def test_the_lines_explain_the_cost(case: Any) -> None:
    """Each line is exact arithmetic, and the lines sum to the cost."""
    model, usage = case
    lines = explain(usage, TABLE.model(model))
    for line in lines:
        shown = Fraction(line.quantity) * Fraction(line.rate) / line.per * Fraction(line.multiplier)
        assert Fraction(line.amount) == shown
        assert line.quantity > 0
    assert sum(Fraction(line.amount) for line in lines) == Fraction(cost(usage, TABLE.model(model)))


CASES = {
    "the documented example": ("claude-haiku-5-5", Usage(412, 57, 0, 0, 2048), "0.00009018"),
    "at the threshold": ("claude-haiku-5-5", Usage(100_000, 1_000), "0.0105"),
    "above the threshold": ("claude-haiku-5-5", Usage(100_001, 1_000), "0.0525005"),
    "cached tokens count for it": (
        "claude-haiku-5-5",
        Usage(1, 1_000, 0, 0, 100_000),
        "0.0075005",
    ),
    "batch": ("claude-opus-5-5", Usage(1_000, 1_000, service_tier="batch"), "0.012"),
    "priority": ("claude-opus-5-5", Usage(1_000, 1_000, service_tier="priority"), "0.024"),
    "fast": ("claude-opus-5-5", Usage(1_000, 1_000, speed="fast"), "0.048"),
    "us": ("claude-opus-5-5", Usage(1_000, 1_000, inference_geo="us"), "0.0264"),
    "us on an older model": ("claude-haiku-4-5", Usage(1_000, 1_000, inference_geo="us"), "0.006"),
    "odd region on an older model": (
        "claude-haiku-4-5",
        Usage(1_000, 1_000, inference_geo="eu"),
        "0.006",
    ),
    "searches are not halved or raised": (
        "claude-opus-5-5",
        Usage(0, 0, web_search_requests=3, service_tier="batch", inference_geo="us"),
        "0.03",
    ),
    "fast ignored by opus 4.6": ("claude-opus-4-6", Usage(1_000, 0, speed="fast"), "0.005"),
    "nothing": ("claude-opus-5-5", Usage(0, 0), "0"),
}


@pytest.mark.parametrize(("model", "usage", "expected"), CASES.values(), ids=CASES)
def test_costs_by_hand(model: Any, usage: Any, expected: Any) -> None:
    """Amounts computed by hand."""
    assert cost(usage, TABLE.model(model)) == Decimal(expected)


UNPRICED = {
    "tier": ("claude-opus-5-5", Usage(1, 1, service_tier="flex"), "service_tier"),
    "speed": ("claude-opus-5-5", Usage(1, 1, speed="slow"), "speed"),
    "region": ("claude-opus-5-5", Usage(1, 1, inference_geo="moon"), "inference_geo"),
    "no fast price": ("claude-sonnet-5-5", Usage(1, 1, speed="fast"), "speed"),
    "fast batch": ("claude-opus-5-5", Usage(1, 1, speed="fast", service_tier="batch"), "speed"),
    "a sum": (
        "claude-opus-5-5",
        Usage(1, 1, service_tier="batch") + Usage(1, 1, service_tier="standard"),
        "service_tier",
    ),
}


@pytest.mark.parametrize(("model", "usage", "field"), UNPRICED.values(), ids=UNPRICED)
def test_a_usage_without_a_known_price_is_an_error(model: Any, usage: Any, field: Any) -> None:
    """A tier, speed or region without a price never falls back to another one."""
    with pytest.raises(UnpricedError) as caught:
        cost(usage, TABLE.model(model))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("stop_reason", "category", "has_output", "is_free"),
    [
        ("refusal", "cyber", False, True),
        ("refusal", "general_harms", False, True),
        ("refusal", None, False, True),
        ("refusal", "bio", False, False),
        ("refusal", "frontier_llm", False, False),
        ("refusal", "reasoning_extraction", False, False),
        ("refusal", "something new", False, False),
        ("refusal", "cyber", True, False),
        ("end_turn", None, False, False),
        (None, None, False, False),
    ],
)
def test_free_refusals(stop_reason: Any, category: Any, has_output: Any, is_free: Any) -> None:
    """Only refusals before any output are free, and only in the documented categories."""
    assert is_free_refusal(stop_reason, category, has_output=has_output) is is_free
