"""Stated confidence is compared with how often answers are right."""

import json
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.core.quality.calibration import Calibration

ROWS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=60)


def calibration(rows: Sequence[tuple[object, bool]]) -> Calibration:
    """Return the calibration of some answers."""
    result = Calibration()
    for confidence, is_right in rows:
        result.add(confidence, is_right)
    return result


@settings(deadline=None)
@given(ROWS)
def test_the_error_follows_its_definition(rows: list[tuple[float, bool]]) -> None:
    """The error is the difference of confidence and accuracy in ten bins, weighted by answers."""
    result = calibration(rows)
    if not rows:
        assert result.expected_error is None
        return
    confidence, right = (np.array(side, dtype=float) for side in zip(*rows, strict=True))
    bins = np.minimum((confidence * 10).astype(int), 9)
    error = sum(abs((confidence - right)[bins == n].sum()) for n in range(10)) / len(rows)
    assert result.expected_error == pytest.approx(error, abs=1e-12)


def test_overconfidence_has_a_larger_error() -> None:
    """Answers that are right as often as they state have an error near 0."""
    random = Random(4)
    confidences = [random.random() for _ in range(20_000)]
    accurate = calibration([(share, random.random() < share) for share in confidences])
    overconfident = calibration([(0.95, random.random() < 0.6) for _ in confidences])
    assert accurate.expected_error is not None
    assert accurate.expected_error < 0.02
    assert overconfident.expected_error == pytest.approx(0.35, abs=0.02)


def test_bin_edges_and_unusable_values() -> None:
    """A bin includes its lower edge, the last both edges; percentages and texts are unusable."""
    result = calibration([(0, False), (0.1, True), (0.95, True), (1, True), (1, False)])
    assert [(entry.low, entry.answers) for entry in result.bins()] == [(0, 1), (0.1, 1), (0.9, 3)]
    assert result.bins()[2].accuracy == pytest.approx(2 / 3)
    for unusable in (95, -0.1, "high", None, True):
        result.add(unusable, is_right=True)
    assert (result.total, result.unusable) == (5, 5)
    assert json.loads(json.dumps(result.as_json()))["unusable"] == 5
