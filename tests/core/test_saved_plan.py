"""An approved plan is stored completely, read strictly, and compared with the current plan."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.digest import Digest
from batcher.core.plan_file import SavedPlan, changes, digest_of, text_or_digest
from batcher.errors import ConfigurationError

PLAN = SavedPlan(
    job="labels",
    created="2026-11-26T20:00:00+00:00",
    version="0.4.0",
    row_count=12,
    rows="aa",
    requests="bb",
    form={"model": "claude-haiku-5-5", "prompt": digest_of("Classify: {{ text }}")},
    prices={"claude-haiku-5-5": {"input": "0.1", "output": "0.5"}},
    cap_usd="12.50",
    estimate={"expected": "10", "low": "9", "high": "11", "worst": None},
)

CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "more rows": ({"row_count": 1_300}, "rows: 12 in the plan, 1,300 now"),
    "other rows": (
        {"rows": "cc", "requests": "dd"},
        "rows: the same number, but different values",
    ),
    "another model": (
        {"form": {**PLAN.form, "model": "claude-opus-5"}},
        "model: claude-haiku-5-5 in the plan, claude-opus-5 now",
    ),
    "another prompt": ({"form": {**PLAN.form, "prompt": digest_of("x")}}, "prompt: changed"),
    "a new parameter": ({"form": {**PLAN.form, "speed": "fast"}}, "speed: added"),
    "another price": (
        {"prices": {"claude-haiku-5-5": {"input": "0.2", "output": "0.5"}}},
        "prices: input of claude-haiku-5-5 is $0.1 per million tokens in the plan, $0.2 now",
    ),
    "another model's price": ({"prices": {}}, "models: claude-haiku-5-5 in the plan"),
    "another job": ({"job": "other"}, "job: labels in the plan, other now"),
    "another delivery": ({"delivery": "batch"}, "delivery: live in the plan, batch now"),
    "only the requests": ({"requests": "dd"}, "requests: different, although"),
}


def test_a_plan_reads_back_equal() -> None:
    """The file contains no prompt."""
    assert SavedPlan.from_json(PLAN.to_json()) == PLAN
    assert "Classify" not in PLAN.to_json()


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_named(name: str) -> None:
    """In one line, and no other line appears."""
    different, expected = CHANGES[name]
    found = changes(PLAN, replace(PLAN, **different))
    assert len(found) == 1
    assert expected in found[0]


def test_other_parts_are_not_compared() -> None:
    """The time, the version of batcher, the estimate and the cap."""
    now = replace(PLAN, created="later", version="9", cap_usd=None, estimate={})
    assert changes(PLAN, now) == ()


def test_the_plan_of_a_live_run_is_read_by_versions_without_batches() -> None:
    """They refuse a key that they do not know, and so a plan of batches."""
    assert "delivery" not in json.loads(PLAN.to_json())
    batches = replace(PLAN, delivery="batch")
    assert json.loads(batches.to_json())["delivery"] == "batch"
    assert SavedPlan.from_json(batches.to_json()) == batches


@pytest.mark.parametrize(
    ("delivery", "expected", "fits"),
    [
        ("auto by 07:00", "11", True),
        ("auto by 07:00", "11.000001", False),
        ("auto by 05:00", "10", False),
        ("live", "10", False),
    ],
)
def test_a_plan_of_auto_no_longer_fits_with_less_time(
    delivery: str, expected: str, fits: bool
) -> None:
    """Another deadline, no permission for batches, or a start so late that most goes live."""
    saved = replace(PLAN, delivery="auto by 07:00")
    now = replace(PLAN, delivery=delivery, estimate={"expected": expected})
    assert (changes(saved, now) == ()) is fits


@pytest.mark.parametrize(
    "change",
    [
        {"delivery": 1},
        {"estimate": {"high": "much"}},
        {"schema_version": 2},
        {"cap_usd": "-1"},
        {"cap_usd": "much"},
        {"row_count": "12"},
        {"form": []},
        {"prices": {"m": 1}},
        {"unknown": 1},
    ],
)
def test_an_invalid_plan_is_refused(change: dict[str, Any]) -> None:
    """A newer schema, a damaged value, an unknown key."""
    content = {**json.loads(PLAN.to_json()), **change}
    with pytest.raises(ConfigurationError):
        SavedPlan.from_json(json.dumps(content))


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """The result is a plan or a ConfigurationError."""
    with pytest.raises(ConfigurationError):
        SavedPlan.from_json(text)


@given(st.lists(st.binary(min_size=16, max_size=16)), st.randoms())
def test_a_digest_does_not_depend_on_the_order(values: list[bytes], random: Any) -> None:
    """Any order gives the same digest; one more value changes it."""
    digest, of_shuffled, of_more = Digest(), Digest(), Digest()
    shuffled = list(values)
    random.shuffle(shuffled)
    for value in values:
        digest.add(value)
        of_more.add(value)
    for value in shuffled:
        of_shuffled.add(value)
    of_more.add(b"one more of them")
    assert (digest.hex, digest.count) == (of_shuffled.hex, of_shuffled.count)
    assert digest.hex != of_more.hex


def test_long_values_are_stored_as_digests() -> None:
    """A short value is stored as text, a long one or a structure as a digest."""
    assert text_or_digest("claude-haiku-5-5") == "claude-haiku-5-5"
    assert text_or_digest(300) == "300"
    assert text_or_digest("x" * 100).startswith("blake2b:")
    assert text_or_digest({"a": 1}).startswith("blake2b:")
