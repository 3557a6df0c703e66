"""Plan files: read back unchanged, refused when broken, and no change is missed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.plan_file import SavedPlan, changes, digest_of
from batcher.errors import ConfigurationError

PLAN = SavedPlan(
    job="sections",
    created="2026-11-26T10:00:00+00:00",
    version="0.5.0",
    row_count=63_666,
    rows="a" * 32,
    requests="b" * 32,
    form={
        "model": "claude-haiku-5-5",
        "max_tokens": "200",
        "samples": "1",
        "prompt": digest_of("Is {{ name }} a name?"),
        "schema of the answer": digest_of("{}"),
    },
    prices={"claude-haiku-5-5": {"input": "1", "output": "5"}},
    cap_usd="12.50",
    estimate={"expected": "10.1", "low": "9", "high": "11.3", "worst": None},
)

texts = st.text(st.characters(codec="utf-8"), max_size=20)
names = st.sampled_from(["model", "max_tokens", "prompt", "system prompt", "tools", "samples"])
dollars = st.decimals("0.000001", "1e9", places=6).map(str)
plans = st.builds(
    SavedPlan,
    job=texts,
    created=texts,
    version=texts,
    row_count=st.integers(0, 10**12),
    rows=texts,
    requests=texts,
    form=st.dictionaries(names, texts),
    prices=st.dictionaries(texts, st.dictionaries(texts, dollars)),
    cap_usd=st.none() | dollars,
    estimate=st.dictionaries(texts, st.none() | dollars),
    delivery=st.sampled_from(["live", "batch", "auto by 07:00"]),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
)


@given(plans)
def test_a_plan_is_read_as_it_was_written(plan: SavedPlan) -> None:
    """A plan reads back equal and matches itself."""
    assert SavedPlan.from_json(plan.to_json()) == plan
    assert changes(plan, plan) == ()


@given(plans, plans)
def test_a_change_is_never_missed(saved: SavedPlan, now: SavedPlan) -> None:
    """All parts that decide the requests and their cost are compared, and only these."""
    is_same = all(
        getattr(saved, name) == getattr(now, name)
        for name in ("job", "row_count", "rows", "requests", "form", "prices", "delivery")
    )
    assert (changes(saved, now) == ()) == is_same


@given(st.sampled_from(sorted(json.loads(PLAN.to_json()))), anything)
def test_a_broken_file_is_refused_or_harmless(name: str, value: Any) -> None:
    """With one part replaced by any value, a file is refused or can be compared."""
    content = json.loads(PLAN.to_json()) | {name: value}
    try:
        plan = SavedPlan.from_json(json.dumps(content))
    except ConfigurationError:
        return
    assert all(isinstance(change, str) for change in changes(plan, PLAN))


@pytest.mark.parametrize("cut", range(0, len(PLAN.to_json()) - 2, 7))
def test_a_file_that_was_cut_short_is_refused(cut: int) -> None:
    """A part of a plan file is not a plan."""
    with pytest.raises(ConfigurationError, match="not a plan file of batcher, or it is damaged"):
        SavedPlan.from_json(PLAN.to_json()[:cut])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cap_usd", "NaN"),
        ("cap_usd", "Infinity"),
        ("cap_usd", "-1"),
        ("cap_usd", "0"),
        ("cap_usd", "ten"),
        ("cap_usd", 12.5),
        ("cap_usd", []),
        ("row_count", "5"),
        ("row_count", True),
        ("row_count", 1.5),
        ("rows", None),
        ("form", []),
        ("form", {"model": 5}),
        ("prices", {"m": 1}),
        ("prices", {"m": {"input": 1.0}}),
        ("estimate", 5),
        ("extra", 1),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(name: str, value: Any) -> None:
    """Above all, a cap is an exact number of dollars or absent."""
    content = json.loads(PLAN.to_json()) | {name: value}
    with pytest.raises(ConfigurationError):
        SavedPlan.from_json(json.dumps(content))


@pytest.mark.parametrize("text", ["", "[]", "null", "5", "[" * 100_000, '{"schema_version": 1}'])
def test_any_other_text_is_refused(text: str) -> None:
    """Also a text that is made to break parsers."""
    with pytest.raises(ConfigurationError):
        SavedPlan.from_json(text)


def test_another_version_is_named() -> None:
    """A plan of a later version is refused with both schema versions."""
    content = json.loads(PLAN.to_json()) | {"schema_version": 2}
    with pytest.raises(ConfigurationError, match="its schema_version is 2, this version reads 1"):
        SavedPlan.from_json(json.dumps(content))
