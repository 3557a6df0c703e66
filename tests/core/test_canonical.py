"""The bytes and the fingerprint of a request depend only on its content."""

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
    """Return a copy of a value with the keys of every object in another order."""
    if isinstance(value, dict):
        keys = rng.sample(sorted(value), len(value))
        return {key: shuffled(value[key], rng) for key in keys}
    if isinstance(value, list):
        return [shuffled(item, rng) for item in value]
    return value


def test_fingerprints_never_change() -> None:
    """With changed fingerprints, users would pay for all responses again."""
    body = canonical_json(BODY)
    assert fingerprint(body, 0).hex() == "304c3238cebfb56f9343637e1068cb8b"
    assert fingerprint(body, 1).hex() == "f0f68b940d850d8ed71535124b61cac5"


def test_the_bytes_never_change() -> None:
    """Keys are sorted, except in a schema; there are no spaces, and UTF-8 is not escaped."""
    assert canonical_json(BODY).decode() == (
        '{"max_tokens":64,"messages":[{"content":"Grüße, 世界 \u2028 \U0001f600","role":"user"}],'
        '"metadata":{"user_id":"12345678901234567890123"},"model":"claude-haiku-5-5",'
        '"temperature":0.5,"tools":[{"input_schema":{"type":"object","properties":{"b":{},"a":{}}},'
        '"name":"t"}]}'
    )


@given(BODIES, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(body: dict[str, Any], rng: random.Random) -> None:
    """Equal bodies are equal bytes, with keys in any order."""
    if {"schema", "input_schema"}.isdisjoint(json.dumps(body).split('"')):
        assert canonical_json(shuffled(body, rng)) == canonical_json(body)


@given(BODIES, BODIES)
def test_different_bodies_are_different_bytes(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    """Bytes are equal exactly when the JSON is equal: 1, 1.0 and true are different."""
    texts = [json.dumps(body, sort_keys=True) for body in (first, second)]
    assert (canonical_json(first) == canonical_json(second)) == (texts[0] == texts[1])


@given(BODIES)
def test_the_bytes_decode_to_the_body(body: dict[str, Any]) -> None:
    """The sent bytes decode to the same request, to the last digit."""
    assert json.loads(canonical_json(body)) == body


@given(BODIES | BODIES.map(lambda body: {**body, "schema": body, "input_schema": [body]}))
def test_a_body_of_encoded_members_is_the_same_bytes(body: dict[str, Any]) -> None:
    """Fields that are encoded one by one, some of them earlier, give the same fingerprint."""
    members = {key: member(key, value) for key, value in body.items()}
    assert canonical_json_of(members) == canonical_json(body)


@given(st.text(st.characters()))
def test_the_fast_encoding_of_a_prompt_is_the_same_text(text: str) -> None:
    """Most requests have one user text; it is encoded like any other field."""
    messages = [{"role": "user", "content": text}]
    assert messages_member(text) == member("messages", messages)


def test_a_member_with_a_lone_surrogate_is_refused() -> None:
    """A body of encoded members is valid Unicode, too."""
    with pytest.raises(ValueError, match="surrogate"):
        canonical_json_of({"messages": messages_member("\ud800")})


@pytest.mark.parametrize("key", ["schema", "input_schema"])
def test_the_order_inside_a_schema_matters(key: str) -> None:
    """Structured output follows the order of its schema, so another order is another request."""
    first, second = {key: {"a": {}, "b": {}}}, {key: {"b": {}, "a": {}}}
    assert canonical_json({"x": [first]}) != canonical_json({"x": [second]})
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
def test_values_outside_json_are_refused(value: object, error: type[Exception]) -> None:
    """The message quotes nothing of the value."""
    with pytest.raises(error) as caught:
        canonical_json({"x": value})
    assert "SECRET" not in str(caught.value)
    assert "SECRET" not in str(caught.value.__cause__)


def test_a_key_with_a_lone_surrogate_is_refused() -> None:
    """Keys are checked like other text."""
    with pytest.raises(ValueError, match="surrogate"):
        canonical_json({"\udfff": 1})


@given(st.binary(max_size=40), st.lists(st.integers(0, 10_000), unique=True, min_size=2))
def test_each_sample_has_its_own_fingerprint(body: bytes, samples: list[int]) -> None:
    """Each sample of a request has its own fingerprint of 16 bytes."""
    fingerprints = {fingerprint(body, sample) for sample in samples}
    assert len(fingerprints) == len(samples)
    assert {len(name) for name in fingerprints} == {16}


def test_a_sample_is_not_part_of_the_body() -> None:
    """Sample 1 of "2{}" is different from sample 12 of "{}"."""
    assert fingerprint(b"2{}", 1) != fingerprint(b"{}", 12)
