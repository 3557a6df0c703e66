"""The quick check of a usage is never milder than the search for unknown numbers."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.money.known_counts import COUNTED, has_only_counts
from batcher.core.money.usage import _refuse_unknown

NAMES = st.sampled_from(
    ["", "cost", "tokens", *(part for path in COUNTED for part in [path, *path.split(".")])]
)
LEAVES = st.one_of(
    st.integers(-1, 3), st.booleans(), st.none(), st.just("word"), st.floats(), st.decimals()
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=6,
)


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_what_passes_has_no_unknown_number(raw: dict[str, Any]) -> None:
    """The search, which looks at every number, would find nothing either."""
    if has_only_counts(raw):
        _refuse_unknown(raw, ())


@pytest.mark.parametrize(
    ("raw", "passes"),
    [
        ({"input_tokens": 9, "output_tokens": 1, "service_tier": "standard", "speed": None}, True),
        ({"input_tokens": 9, "cache_creation": {"ephemeral_5m_input_tokens": 1}}, True),
        ({"input_tokens": 9, "server_tool_use": {"web_search_requests": 1, "new": 0}}, True),
        ({"input_tokens": 9, "new_tokens": 1}, False),
        ({"cache_creation": {"ephemeral_1d_input_tokens": 1}}, False),
        ({"cache_creation": {"input_tokens": 1}}, False),
        ({"": {"input_tokens": 1}}, False),
        ({"cache_creation.ephemeral_5m_input_tokens": 1}, False),
        ({"cache_creation": {"more": {"ephemeral_5m_input_tokens": 1}}}, False),
        ({"iterations": [{"input_tokens": 1}]}, False),
        ({"new_tokens": Decimal("0.5")}, False),
        ({"new_tokens": float("nan")}, False),
    ],
)
def test_the_usual_and_the_unusual(raw: dict[str, Any], passes: bool) -> None:
    """What a response usually reports passes; anything else is left to the search."""
    assert has_only_counts(raw) is passes
