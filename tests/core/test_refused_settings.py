"""Each setting that the API is known to refuse is found, and no setting that it accepts."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_cases import NEW, OLD, TABLE, TODAY, refused_keys, request_body

from batcher.core.batches.size import MAX_BODY_BYTES as MAX_BATCH_BYTES
from batcher.core.request.build import MAX_BODY_BYTES
from batcher.core.request.refusals import refusals

# name: (what is added, model, keys refused)
REFUSED = {
    "unknown parameter": ({"max_token": 5}, None, ["max_token"]),
    "unknown nested": ({"output_config": {"efort": "low"}}, None, ["output_config.efort"]),
    "metadata": ({"metadata": {"user": "x"}}, None, ["metadata.user"]),
    "beta parameter": ({"fallbacks": []}, None, ["fallbacks"]),
    "beta nested": (
        {"output_config": {"task_budget": {}}},
        None,
        ["output_config.task_budget"],
    ),
    "stream": ({"stream": False}, None, ["stream"]),
    "tier": ({"service_tier": "batch"}, None, ["service_tier"]),
    "region": ({"inference_geo": "eu"}, None, ["inference_geo"]),
    "speed": ({"speed": "warp"}, None, ["speed"]),
    "max_tokens": ({"max_tokens": 128_001}, None, ["max_tokens"]),
    "max_tokens of an older model": ({"max_tokens": 64_001}, "claude-haiku-4-5", ["max_tokens"]),
    "max_tokens text": ({"max_tokens": "5"}, None, ["max_tokens"]),
    "max_tokens true": ({"max_tokens": True}, None, ["max_tokens"]),
    "temperature text": ({"temperature": "1"}, "claude-haiku-4-5", ["temperature"]),
    "temperature 2": ({"temperature": 2}, "claude-haiku-4-5", ["temperature"]),
    "temperature nan": ({"temperature": float("nan")}, "claude-haiku-4-5", ["temperature"]),
    "both on 4.5": ({"temperature": 1, "top_p": 1}, "claude-haiku-4-5", ["top_p"]),
    "top_k": ({"top_k": -1}, "claude-haiku-4-5", ["top_k"]),
    "prefill with thinking": (
        {
            "messages": [{"role": "assistant", "content": "{"}],
            "thinking": {"type": "enabled", "budget_tokens": 1024},
        },
        "claude-haiku-4-5",
        ["messages.0"],
    ),
    "budget missing": (
        {"thinking": {"type": "enabled"}},
        "claude-haiku-4-5",
        ["thinking.budget_tokens"],
    ),
    "budget small": (
        {"thinking": {"type": "enabled", "budget_tokens": 1023}},
        "claude-haiku-4-5",
        ["thinking.budget_tokens"],
    ),
    "budget too large": (
        {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        "claude-haiku-4-5",
        ["thinking.budget_tokens"],
    ),
    "budget of adaptive": (
        {"thinking": {"type": "adaptive", "budget_tokens": 2000}},
        None,
        ["thinking.budget_tokens"],
    ),
    "display": ({"thinking": {"type": "adaptive", "display": "all"}}, None, ["thinking.display"]),
    "display of between_tools": (
        {"thinking": {"type": "between_tools", "display": "omitted"}},
        "claude-sonnet-5-5",
        ["thinking.display"],
    ),
    "thinking is a word": ({"thinking": "adaptive"}, None, ["thinking.type"]),
    "effort word": ({"output_config": {"effort": "huge"}}, None, ["output_config.effort"]),
    "forced with manual thinking": (
        {"tool_choice": {"type": "any"}, "thinking": {"type": "enabled", "budget_tokens": 1024}},
        "claude-haiku-4-5",
        ["tool_choice.type"],
    ),
    "tool without name": ({"tool_choice": {"type": "tool"}}, None, ["tool_choice.name"]),
    "fast": ({"speed": "fast"}, "claude-sonnet-5-5", ["speed"]),
    "fast without header": ({"speed": "fast"}, "claude-opus-5", ["speed"]),
    "tool name": ({"tools": [{"name": "a b", "input_schema": {}}]}, None, ["tools.0.name"]),
    "format with citations": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "document", "citations": {"enabled": True}}],
                }
            ],
            "output_config": {"format": {"type": "json_schema", "schema": {"type": "string"}}},
        },
        None,
        ["messages.0.content.0.citations"],
    ),
    "retired": ({}, "claude-3-opus-20240229", ["model"]),
}


@pytest.mark.parametrize(("more", "model", "keys"), REFUSED.values(), ids=REFUSED)
def test_refused(more: Any, model: Any, keys: Any) -> None:
    """The API would respond to each of these with 400 or 404; the key says where it is."""
    assert refused_keys(request_body(**more), model or "claude-haiku-5-5") == keys


ACCEPTED = {
    "beta with header": ({"fallbacks": []}, "claude-opus-5-5", {"betas": ["server-side"]}),
    "fast": ({"speed": "fast"}, "claude-opus-5-5", {}),
    "fast with header": ({"speed": "fast"}, "claude-opus-5", {"betas": ["fast-mode-2026-02-01"]}),
    "max_tokens": ({"max_tokens": 128_000}, "claude-haiku-5-5", {}),
    "long batch output": (
        {"max_tokens": 300_000},
        "claude-haiku-5-5",
        {"betas": ["output-300k-2026-03-24"], "is_batch": True},
    ),
    "prefill of an older model": (
        {"messages": [{"role": "assistant", "content": "{"}]},
        "claude-haiku-4-5",
        {},
    ),
    "summaries": (
        {"thinking": {"type": "adaptive", "display": "summarized"}},
        "claude-haiku-5-5",
        {},
    ),
    "temperature": ({"temperature": Decimal("0.2")}, "claude-haiku-4-5", {}),
    "nothing but a system prompt": ({"system": "be kind"}, "claude-haiku-5-5", {}),
}


@pytest.mark.parametrize(("more", "model", "options"), ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(more: Any, model: Any, options: Any) -> None:
    """The model accepts each of these, so we refuse none of them."""
    assert refused_keys(request_body(**more), model, **options) == []


@pytest.mark.parametrize(
    "more",
    [
        {"speed": "standard"},
        {"fallbacks": []},
        {"thread": {"id": "t"}},
        {"max_tokens": 0},
        {"billing_policy.bill_to": "user_profile"},
    ],
    ids=str,
)
def test_batches_refuse_more(more: Any) -> None:
    """Settings for live requests only are refused in a batch."""
    ((key, value),) = more.items()
    name, _, part = key.partition(".")
    body = request_body(**{name: {part: value} if part else value})
    assert refused_keys(body, "claude-opus-5-5", betas=["x"], is_batch=True) == [key]
    assert refused_keys(body, "claude-opus-5-5", betas=["x"]) == []


def test_batches_bill_the_organisation() -> None:
    """Only a bill to the user's profile is refused."""
    body = request_body(billing_policy={"bill_to": "organization"})
    assert refused_keys(body, betas=["x"], is_batch=True) == []


def test_a_request_that_can_be_sent_fits_into_a_batch() -> None:
    """The limit of one request is far below that of a batch, so none is too large for it."""
    assert MAX_BODY_BYTES + 1000 < MAX_BATCH_BYTES


def test_long_output_needs_batch_beta_and_model() -> None:
    """300,000 tokens need a batch, the beta header and a model that supports them."""
    body, betas = request_body(max_tokens=300_000), ["output-300k-2026-03-24"]
    assert refused_keys(body, betas=betas) == ["max_tokens"]
    assert refused_keys(body, betas=betas, is_batch=True) == []
    (refusal,) = refusals(body, TABLE.facts("claude-haiku-5-5"), OLD, today=TODAY, betas=betas)
    assert refusal.hint == 'more is possible only in batches: set delivery.mode = "batch"'
    assert refused_keys(body, is_batch=True) == ["max_tokens"]
    assert refused_keys(body, "claude-fable-5-2", betas=betas, is_batch=True) == ["max_tokens"]


@pytest.mark.parametrize("version", [OLD, NEW])
def test_the_newer_version_refuses_old_uses_of_documents(version: Any) -> None:
    """It accepts no documents of the assistant and no citations in a user's text."""
    nested = {"type": "web_fetch_tool_result", "content": [{"type": "document"}]}
    body = request_body(
        messages=[
            {"role": "assistant", "content": [{"type": "document"}, nested]},
            {"role": "user", "content": [{"type": "text", "text": "x", "citations": [{}]}]},
        ]
    )
    keys = ["messages.0.content.0", "messages.1.content.0"]
    assert refused_keys(body, version=version) == (keys if version == NEW else [])


def test_the_nearest_name_is_suggested() -> None:
    """The hint for a typo has the parameter that was probably meant."""
    (typo,) = refusals(request_body(temprature=1), None, OLD, today=TODAY)
    assert (typo.severity, typo.key) == ("error", "temprature")
    assert typo.hint == "did you mean temperature?"


def test_an_unknown_model_is_checked_by_the_general_rules_only() -> None:
    """For a model that is not in the table, the rules of other models do not apply."""
    body = request_body(temperature=Decimal("0.3"), thinking={"type": "new"}, speed="fast")
    assert refusals(body, None, OLD, today=TODAY) == []
    assert [refusal.key for refusal in refusals(body, None, NEW, today=TODAY)] == ["temperature"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["enabled", "fast"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "cache_control", "format", "$ref"]), inner)
    ),
    max_leaves=8,
)
NAMES = [
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "cache_control",
    "speed",
    "top_p",
]


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(NAMES), json_values),
    st.sampled_from(["claude-haiku-5-5", "claude-opus-4-6", "claude-haiku-4-5", "nobody"]),
    st.sampled_from([OLD, NEW]),
)
def test_no_shape_of_a_body_raises(body: Any, model: Any, version: Any) -> None:
    """A body of any shape, which may come from a row, is checked without an exception."""
    refused_keys(body, model, version)


def test_messages_quote_no_prompt() -> None:
    """Refusals name parameters and never quote values of a row."""
    secret = "s3cret text"
    body = request_body(
        system=[{"type": "text", "text": secret, "cache_control": {"type": secret}}],
        messages=[{"role": "assistant", "content": secret}],
        temperature=secret,
        thinking={"type": secret},
        tool_choice={"type": secret},
        metadata={"user_id": secret},
    )
    for version in (OLD, NEW):
        results = refusals(body, TABLE.facts("claude-haiku-5-5"), version, today=TODAY)
        assert results
        assert secret not in repr(results)
