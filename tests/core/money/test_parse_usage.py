"""Usage is read strictly: no billed kind is missed, and nothing is guessed."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.money.usage import Usage, cache_split_problem, parse_usage
from batcher.core.money.usage_problems import UnknownUsageError, UsageError

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
    "split is no object": {"cache_creation": "none"},
    "searches in a list": {"server_tool_use": [{"web_search_requests": 5}]},
    "tier is a list": {"service_tier": ["batch"]},
    "iterations is no list": {"iterations": {}},
    "iterations hold strings": {"iterations": ["message"]},
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_broken_usage_is_an_error(change: Any) -> None:
    """A count of the wrong type, sign or size is never priced."""
    with pytest.raises(UsageError):
        parse_usage(PLAIN | change)


@pytest.mark.parametrize(
    ("whole", "split", "written"),
    [(9, (4, 4), (4, 5)), (0, (4, 0), (4, 0)), (3, (4, 4), (4, 4)), (9, (9, None), (9, 0)),
     (9, (None, 4), (0, 9)), (10, (0, 0), (0, 10))],
)  # fmt: skip
def test_a_split_that_does_not_add_up_is_read_as_the_higher_cost(
    whole: int, split: Any, written: Any
) -> None:
    """The larger number counts, and what the split leaves out counts at the higher rate."""
    names = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
    raw = {
        "cache_creation_input_tokens": whole,
        "cache_creation": dict(zip(names, split, strict=True)),
    }
    usage = parse_usage(PLAIN | raw)
    found = (usage.cache_creation_5m_input_tokens, usage.cache_creation_1h_input_tokens)
    assert found == written
    is_right = whole == sum(count or 0 for count in split)
    assert (cache_split_problem(PLAIN | raw) is None) is is_right


def test_all_unknown_fields_are_named_at_once() -> None:
    """A person learns of all of them from one run, and can declare all of them free."""
    raw = PLAIN | {"b_tokens": 1, "a": {"x": 2, "y": 0}, "c_tokens": 3.5}
    with pytest.raises(UnknownUsageError) as caught:
        parse_usage(raw)
    assert [name in str(caught.value) for name in ("a.x", "b_tokens", "c_tokens", "a.y")] == [
        True, True, True, False,
    ]  # fmt: skip
    assert parse_usage(raw, free_fields=["a", "b_tokens", "c_tokens"]) == Usage(10, 5)


@pytest.mark.parametrize(
    "change",
    [
        {"cost": 0.00123},
        {"total_cost": Decimal("0.1")},
        {"cost_usd": 3},
        {"cost_in_usd_ticks": 12_000},
        {"cost_details": {"upstream_inference_cost": 0.1, "prompt": 0.2}},
        {"Response_Cost": 1},
        {"total_tokens": 15},
        {"total_tokens": 25, "cache_read_input_tokens": 10},
    ],
)
def test_a_gateways_own_sums_are_no_kind_of_token(change: Any) -> None:
    """Sums of dollars, and of the tokens that are counted already, cost nothing more."""
    assert parse_usage(PLAIN | change).output_tokens == 5


@pytest.mark.parametrize(
    "change", [{"costly_tokens": 5}, {"accost": 1}, {"total_tokens": 16}, {"total_tokens": 1.5}]
)
def test_what_only_looks_like_a_sum_is_unknown(change: Any) -> None:
    """A word that contains cost, and a total that is none, may be a kind that is billed."""
    with pytest.raises(UnknownUsageError):
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
