"""A request's bytes and its name depend on what it says and on nothing else."""

import json
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.request.canonical import (
    canonical_json,
    canonical_json_of,
    fingerprint,
    member,
    messages_member,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
JSON = st.recursive(
    SCALARS.filter(lambda value: not isinstance(value, float) or math.isfinite(value)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
BODIES = st.dictionaries(TEXT, JSON, max_size=5)
BODY = {
    "model": "claude-haiku-5-5",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Grüße, 世界 \u2028 \U0001f600"}],
    "temperature": 0.5,
    "tools": [{"name": "t", "input_schema": {"type": "object", "properties": {"b": {}, "a": {}}}}],
    "metadata": {"user_id": "12345678901234567890123"},
}


def shuffled(value: Any, rng: random.Random) -> Any:
    """Copy a value with the keys of every object in another order."""
    if isinstance(value, dict):
        keys = rng.sample(sorted(value), len(value))
        return {key: shuffled(value[key], rng) for key in keys}
    if isinstance(value, list):
        return [shuffled(item, rng) for item in value]
    return value


def test_the_fingerprint_is_fixed_for_ever() -> None:
    """A changed fingerprint would make users pay for all their answers again."""
    body = canonical_json(BODY)
    assert fingerprint(body, 0).hex() == "304c3238cebfb56f9343637e1068cb8b"
    assert fingerprint(body, 1).hex() == "f0f68b940d850d8ed71535124b61cac5"


def test_the_bytes_are_fixed_for_ever() -> None:
    """Keys sorted, no spaces, UTF-8 unescaped, a schema as it was written."""
    assert canonical_json(BODY).decode() == (
        '{"max_tokens":64,"messages":[{"content":"Grüße, 世界 \u2028 \U0001f600","role":"user"}],'
        '"metadata":{"user_id":"12345678901234567890123"},"model":"claude-haiku-5-5",'
        '"temperature":0.5,"tools":[{"input_schema":{"type":"object","properties":{"b":{},"a":{}}},'
        '"name":"t"}]}'
    )


@given(BODIES, st.randoms(use_true_random=False))
def test_the_order_of_keys_means_nothing(body: dict[str, Any], rng: random.Random) -> None:
    """Equal bodies are equal bytes, however their keys are ordered."""
    if {"schema", "input_schema"}.isdisjoint(json.dumps(body).split('"')):
        assert canonical_json(shuffled(body, rng)) == canonical_json(body)


@given(BODIES, BODIES)
def test_different_bodies_are_different_bytes(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Bytes are equal exactly when the JSON is: 1, 1.0 and true are three things."""
    said = [json.dumps(body, sort_keys=True) for body in (one, other)]
    assert (canonical_json(one) == canonical_json(other)) == (said[0] == said[1])


@given(BODIES)
def test_the_bytes_say_the_body(body: dict[str, Any]) -> None:
    """What is sent reads back as what was asked, to the last digit."""
    assert json.loads(canonical_json(body)) == body


@given(BODIES | BODIES.map(lambda body: {**body, "schema": body, "input_schema": [body]}))
def test_a_body_put_together_is_the_same_bytes(body: dict[str, Any]) -> None:
    """Encoding the fields one by one, some of them long before, names no request otherwise."""
    members = {key: member(key, value) for key, value in body.items()}
    assert canonical_json_of(members) == canonical_json(body)


@given(st.text(st.characters()))
def test_the_short_way_for_a_prompt_is_the_same_text(text: str) -> None:
    """What most requests consist of is encoded as everything else is."""
    messages = [{"role": "user", "content": text}]
    assert messages_member(text) == member("messages", messages)


def test_a_member_with_a_lone_surrogate_is_refused() -> None:
    """Put together or encoded at once, a body is valid Unicode."""
    with pytest.raises(ValueError, match="surrogate"):
        canonical_json_of({"messages": messages_member("\ud800")})


@pytest.mark.parametrize("key", ["schema", "input_schema"])
def test_the_order_inside_a_schema_is_meaning(key: str) -> None:
    """Structured answers come in their schema's order, so another order is another request."""
    one, other = {key: {"a": {}, "b": {}}}, {key: {"b": {}, "a": {}}}
    assert canonical_json({"x": [one]}) != canonical_json({"x": [other]})
    nested = {key: {"properties": {"z": {"b": 1, "a": 2}}}}
    assert canonical_json(nested) == json.dumps(nested, separators=(",", ":")).encode()


def test_big_integers_keep_their_digits() -> None:
    """An integer beyond 2^53 is not rounded to a float."""
    assert canonical_json({"n": 2**63 + 1}) == b'{"n":9223372036854775809}'
    assert canonical_json({"n": 10**40 + 1}) == b'{"n":%d}' % (10**40 + 1)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        pytest.param(float("nan"), ValueError, id="nan"),
        pytest.param(float("inf"), ValueError, id="infinity"),
        pytest.param("SECRET\ud800", ValueError, id="lone surrogate"),
        pytest.param(b"SECRET", TypeError, id="bytes"),
        pytest.param({1: 2, "SECRET": 3}, TypeError, id="keys of two types"),
    ],
)
def test_what_json_cannot_say_is_refused(value: object, error: type[Exception]) -> None:
    """It is refused with a message that quotes nothing of it."""
    with pytest.raises(error) as caught:
        canonical_json({"x": value})
    assert "SECRET" not in str(caught.value)
    assert "SECRET" not in str(caught.value.__cause__)


def test_a_key_with_a_lone_surrogate_is_refused() -> None:
    """Keys are text like any other."""
    with pytest.raises(ValueError, match="surrogate"):
        canonical_json({"\udfff": 1})


@given(st.binary(max_size=40), st.lists(st.integers(0, 10_000), unique=True, min_size=2))
def test_samples_have_names_of_their_own(body: bytes, samples: list[int]) -> None:
    """Each answer asked for a request has its own 16-byte name."""
    names = {fingerprint(body, sample) for sample in samples}
    assert len(names) == len(samples)
    assert {len(name) for name in names} == {16}


def test_a_sample_is_not_part_of_the_body() -> None:
    """Sample 1 of "2..." is not sample 12 of "..."."""
    assert fingerprint(b"2{}", 1) != fingerprint(b"{}", 12)
