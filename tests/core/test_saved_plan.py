"""A plan that was agreed to is written whole, read strictly, and held against the next one."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.digest import Digest
from batcher.core.plan_file import SavedPlan, changes, digest_of, shown
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

OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "more rows": ({"row_count": 1_300}, "rows: 12 then, 1,300 now"),
    "other rows": (
        {"rows": "cc", "requests": "dd"},
        "rows: as many as then, but",
    ),
    "another model": ({"form": {**PLAN.form, "model": "claude-opus-5"}}, "model: claude-haiku-5-5"),
    "another prompt": ({"form": {**PLAN.form, "prompt": digest_of("x")}}, "prompt: not the same"),
    "a new parameter": ({"form": {**PLAN.form, "speed": "fast"}}, "speed: new since"),
    "another price": (
        {"prices": {"claude-haiku-5-5": {"input": "0.2", "output": "0.5"}}},
        "prices: input of claude-haiku-5-5 cost $0.1 per million then, $0.2 now",
    ),
    "another model's price": ({"prices": {}}, "models: claude-haiku-5-5 then"),
    "another job": ({"job": "other"}, "job: labels then, other now"),
    "only the requests": ({"requests": "dd"}, "requests: made otherwise"),
}


def test_it_is_read_as_it_was_written() -> None:
    """And holds nothing that anybody asked."""
    assert SavedPlan.from_json(PLAN.to_json()) == PLAN
    assert "Classify" not in PLAN.to_json()


@pytest.mark.parametrize("name", OTHERS)
def test_what_changed_is_named(name: str) -> None:
    """In words, and nothing else is."""
    different, said = OTHERS[name]
    found = changes(PLAN, replace(PLAN, **different))
    assert len(found) == 1
    assert said in found[0]


def test_what_is_no_part_of_it_changes_nothing() -> None:
    """When it was made, by which batcher, what was estimated, and the cap."""
    now = replace(PLAN, created="later", version="9", cap_usd=None, estimate={})
    assert changes(PLAN, now) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 2},
        {"cap_usd": "-1"},
        {"cap_usd": "much"},
        {"row_count": "12"},
        {"form": []},
        {"prices": {"m": 1}},
        {"unknown": 1},
    ],
)
def test_what_is_no_plan_is_refused(change: dict[str, Any]) -> None:
    """A newer schema, a damaged value, a key that nobody knows."""
    content = {**json.loads(PLAN.to_json()), **change}
    with pytest.raises(ConfigurationError):
        SavedPlan.from_json(json.dumps(content))


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Never anything but a plan or our own error."""
    with pytest.raises(ConfigurationError):
        SavedPlan.from_json(text)


@given(st.lists(st.binary(min_size=16, max_size=16)), st.randoms())
def test_a_digest_does_not_know_the_order(values: list[bytes], random: Any) -> None:
    """Any order gives the same; one more value, or another, gives another."""
    one, other, more = Digest(), Digest(), Digest()
    shuffled = list(values)
    random.shuffle(shuffled)
    for value in values:
        one.add(value)
        more.add(value)
    for value in shuffled:
        other.add(value)
    more.add(b"one more of them")
    assert (one.hex, one.count) == (other.hex, other.count)
    assert one.hex != more.hex


def test_long_values_are_not_shown() -> None:
    """A short one is told as it is, a long one or a structure by its digest."""
    assert shown("claude-haiku-5-5") == "claude-haiku-5-5"
    assert shown(300) == "300"
    assert shown("x" * 100).startswith("blake2b:")
    assert shown({"a": 1}).startswith("blake2b:")
