"""Stated confidence is held against how often answers are right."""

import json
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.core.quality.confidence import Confidence

ROWS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=60)


def stated(rows: Sequence[tuple[object, bool]]) -> Confidence:
    """Take some answers."""
    found = Confidence()
    for confidence, is_right in rows:
        found.add(confidence, is_right)
    return found


@settings(deadline=None)
@given(ROWS)
def test_the_error_is_that_of_its_definition(rows: list[tuple[float, bool]]) -> None:
    """The difference of confidence and accuracy in ten bins, weighted by their rows."""
    found = stated(rows)
    if not rows:
        assert found.expected_error is None
        return
    confidence, right = (np.array(side, dtype=float) for side in zip(*rows, strict=True))
    place = np.minimum((confidence * 10).astype(int), 9)
    error = sum(abs((confidence - right)[place == one].sum()) for one in range(10)) / len(rows)
    assert found.expected_error == pytest.approx(error, abs=1e-12)


def test_honest_confidence_is_told_from_boasting() -> None:
    """Answers that are right as often as they say have an error near 0."""
    random = Random(4)
    said = [random.random() for _ in range(20_000)]
    honest = stated([(one, random.random() < one) for one in said])
    boasting = stated([(0.95, random.random() < 0.6) for _ in said])
    assert honest.expected_error is not None
    assert honest.expected_error < 0.02
    assert boasting.expected_error == pytest.approx(0.35, abs=0.02)


def test_bins_and_what_is_in_none() -> None:
    """A bin has its lower edge, the last has both; percentages and texts are no confidence."""
    found = stated([(0, False), (0.1, True), (0.95, True), (1, True), (1, False)])
    assert [(one.low, one.rows) for one in found.bins()] == [(0, 1), (0.1, 1), (0.9, 3)]
    assert found.bins()[2].accuracy == pytest.approx(2 / 3)
    for unusable in (95, -0.1, "high", None, True):
        found.add(unusable, is_right=True)
    assert (found.total, found.unusable) == (5, 5)
    assert json.loads(json.dumps(found.as_json()))["unusable"] == 5
