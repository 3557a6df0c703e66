"""Messages parameters are passed through as the same JSON."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from batcher.core.job.parameters import as_json


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_parameters_pass_unchanged(value: Any) -> None:
    """Values that JSON has are sent unchanged."""
    assert as_json(value, ("request", "tools")) == (value, [])


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_fractions_become_the_same_json_number(number: float) -> None:
    """A number in the job file is the same number in the request."""
    value, mistakes = as_json({"a": [Decimal(repr(number))]}, ("request", "tools"))
    assert mistakes == []
    assert json.loads(json.dumps(value)) == {"a": [number]}
