"""Usage is read strictly: no billed kind is missed, and nothing is guessed."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.money.usage import UnknownUsageError, Usage, UsageError, parse_usage

PLAIN = {"input_tokens": 10, "output_tokens": 5}

FULL = {
    "input_tokens": 412,
    "output_tokens": 57,
    "cache_creation_input_tokens": 30,
    "cache_read_input_tokens": 2048,
    "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
    "output_tokens_details": {"thinking_tokens": 31},
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 3},
    "service_tier": "standard",
    "inference_geo": "global",
    "speed": "standard",
}


def test_a_full_usage_is_read() -> None:
    """Every documented field is read into its own kind."""
    assert parse_usage(FULL) == Usage(
        input_tokens=412,
        output_tokens=57,
        cache_creation_5m_input_tokens=10,
        cache_creation_1h_input_tokens=20,
        cache_read_input_tokens=2048,
        thinking_tokens=31,
        web_search_requests=2,
        service_tier="standard",
        inference_geo="global",
        speed="standard",
    )
    assert parse_usage(FULL).prompt_tokens == 412 + 30 + 2048


def test_only_two_fields_are_needed() -> None:
    """Every other field may be absent or null; it is then 0 or None."""
    nulls = dict.fromkeys(FULL) | PLAIN
    assert parse_usage(PLAIN) == parse_usage(nulls) == Usage(10, 5)


@pytest.mark.parametrize(("ttl", "expected"), [("5m", (7, 0)), ("1h", (0, 7))], ids=["5m", "1h"])
@pytest.mark.parametrize("split", [{}, {"cache_creation": None}, {"cache_creation": {}}])
def test_unsplit_cache_writes_count_at_the_requested_lifetime(
    ttl: Any, expected: Any, split: Any
) -> None:
    """Without a split, cache writes count at the lifetime in the request."""
    usage = parse_usage(PLAIN | {"cache_creation_input_tokens": 7} | split, cache_ttl=ttl)
    written = (usage.cache_creation_5m_input_tokens, usage.cache_creation_1h_input_tokens)
    assert written == expected


def test_a_split_without_its_sum_is_enough() -> None:
    """The split alone gives the number of tokens written."""
    usage = parse_usage(PLAIN | {"cache_creation": {"ephemeral_1h_input_tokens": 4}})
    assert usage.cache_creation_1h_input_tokens == 4


BROKEN = {
    "no input_tokens": {"input_tokens": None},
    "no output_tokens": {"output_tokens": None},
    "bool": {"input_tokens": True},
    "float": {"output_tokens": 5.0},
    "nan": {"input_tokens": float("nan")},
    "decimal": {"input_tokens": Decimal(5)},
    "string": {"input_tokens": "5"},
    "negative": {"input_tokens": -1},
    "huge": {"output_tokens": 2**53 + 1},
    "negative cache read": {"cache_read_input_tokens": -1},
    "list": {"output_tokens": [5]},
    "split too small": {
        "cache_creation_input_tokens": 9,
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 4},
    },
    "split without total": {
        "cache_creation_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 4},
    },
    "split is no object": {"cache_creation": "none"},
    "searches in a list": {"server_tool_use": [{"web_search_requests": 5}]},
    "tier is a list": {"service_tier": ["batch"]},
    "iterations is no list": {"iterations": {}},
    "iterations hold strings": {"iterations": ["message"]},
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_broken_usage_is_an_error(change: Any) -> None:
    """A count of the wrong type, sign or size, or a wrong sum, is never priced."""
    with pytest.raises(UsageError):
        parse_usage(PLAIN | change)


UNKNOWN = {
    "top level": ({"audio_tokens": 1}, "audio_tokens"),
    "float": ({"audio_seconds": 0.25}, "audio_seconds"),
    "decimal": ({"audio_seconds": Decimal("0.1")}, "audio_seconds"),
    "nan": ({"x": float("nan")}, "x"),
    "signalling nan": ({"x": Decimal("sNaN")}, "x"),
    "infinity": ({"x": float("inf")}, "x"),
    "server tool": ({"server_tool_use": {"maps_requests": 1}}, "server_tool_use.maps_requests"),
    "code execution": (
        {"server_tool_use": {"code_execution_requests": 1}},
        "server_tool_use.code_execution_requests",
    ),
    "new ttl": (
        {
            "cache_creation_input_tokens": 6,
            "cache_creation": {"ephemeral_24h_input_tokens": 6},
        },
        "cache_creation.ephemeral_24h_input_tokens",
    ),
    "deep": ({"a": {"b": [{"c": 1}]}}, "a.b.c"),
    "dotted key": (
        {"cache_creation.ephemeral_5m_input_tokens": 5},
        "cache_creation\\.ephemeral_5m_input_tokens",
    ),
    "two iterations": ({"iterations": [PLAIN, PLAIN]}, "iterations"),
    "other iteration": ({"iterations": [PLAIN | {"output_tokens": 4}]}, "iterations"),
    "iteration with other cache": (
        {"iterations": [PLAIN | {"cache_creation_input_tokens": 4}]},
        "iterations",
    ),
    "iteration with unknown": ({"iterations": [PLAIN | {"pixels": 4}]}, "pixels"),
    "iteration in iteration": ({"iterations": [PLAIN | {"iterations": []}]}, "iterations"),
}


@pytest.mark.parametrize(("change", "field"), UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_number_is_an_error_that_names_it(change: Any, field: Any) -> None:
    """A number without a known price is an error, unless the job file declares it free."""
    with pytest.raises(UnknownUsageError) as caught:
        parse_usage(PLAIN | change)
    assert caught.value.field == field
    assert parse_usage(PLAIN | change, free_fields=[field]).output_tokens == 5


HARMLESS = {
    "null": {"x": None},
    "zero": {"x": 0, "y": 0.0, "z": {"w": 0}},
    "negative": {"credit": -1},
    "words": {"x": "12", "y": ["a"], "z": True},
    "web fetch": {"server_tool_use": {"web_fetch_requests": 9}},
    "no iteration": {"iterations": []},
    "same iteration": {"iterations": [{"type": "message", "model": "m", **PLAIN}]},
    "short iteration": {"iterations": [{"type": "message", "cache_read_input_tokens": None}]},
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_fields_that_cannot_cost_money_are_accepted(change: Any) -> None:
    """Unknown fields without a number above zero change nothing."""
    assert parse_usage(PLAIN | change) == Usage(10, 5)


def test_a_free_object_frees_only_its_own_fields() -> None:
    """A free object covers the fields in it, not fields whose name starts the same."""
    raw = PLAIN | {"audio": {"seconds": 3}}
    assert parse_usage(raw, free_fields=["audio"]) == Usage(10, 5)
    with pytest.raises(UnknownUsageError):
        parse_usage(PLAIN | {"audio_seconds": 3}, free_fields=["audio"])


def test_a_priced_field_cannot_be_declared_free() -> None:
    """Declaring a priced field free has no effect."""
    assert parse_usage(PLAIN, free_fields=["output_tokens"]) == Usage(10, 5)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*FULL, "iterations", "new"]), json_values))
def test_any_json_is_read_or_refused(raw: Any) -> None:
    """Any usage object of a server gives a usage or a UsageError."""
    try:
        usage = parse_usage(raw)
    except UsageError:
        return
    assert usage.input_tokens == raw["input_tokens"]


def test_a_sum_adds_counts_and_marks_different_words() -> None:
    """A sum adds the reported counts, keeps equal words, and calls different words mixed."""
    first = Usage(1, 2, 3, 4, 5, None, 6, "batch", None, "standard")
    second = Usage(10, 20, 30, 40, 50, 7, 60, "standard", None, "standard")
    assert first + second == Usage(11, 22, 33, 44, 55, 7, 66, "mixed", None, "standard")
    assert (first + first).thinking_tokens is None
