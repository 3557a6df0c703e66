"""Numbers against gold numbers: the figures are scikit-learn's and numpy's."""

import json
import math
from collections.abc import Sequence
from decimal import Decimal
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error

from batcher.core.quality.numbers import Numbers, number_of


def compared(pairs: Sequence[tuple[object, object]]) -> Numbers:
    """Take some pairs, gold first."""
    found = Numbers()
    for gold, label in pairs:
        found.add(gold, label)
    return found


def drawn(rows: int, seed: int) -> list[tuple[float, float]]:
    """Numbers far from 0 that follow each other somewhat."""
    random = Random(seed)
    golds = [random.gauss(1e6, 3) for _ in range(rows)]
    return [(gold, gold + random.gauss(0.5, 2)) for gold in golds]


@pytest.mark.parametrize("rows", [2, 3, 50, 3_000])
def test_figures_are_those_of_others(rows: int) -> None:
    """Mean absolute error, mean error and Pearson's correlation."""
    pairs = drawn(rows, rows)
    golds, labels = zip(*pairs, strict=True)
    shift = np.array(labels) - np.array(golds)
    found = compared(pairs)
    assert found.mean_absolute_error == pytest.approx(mean_absolute_error(golds, labels))
    assert found.mean_error == pytest.approx(shift.mean(), abs=1e-9)
    assert found.correlation == pytest.approx(np.corrcoef(golds, labels)[0, 1], abs=1e-9)


def test_what_is_no_number_is_missing() -> None:
    """Null, texts, booleans, NaN and what no double holds are told apart from the figures."""
    rows = [(1, 2), (Decimal("0.5"), 0.5), (None, 1), (1, None), (True, 1), ("1", 1), (1, math.nan)]
    found = compared([*rows, (10**400, 1), (1, math.inf), (None, None)])
    assert (found.total, found.ungolden, found.unlabelled) == (2, 4, 3)
    assert found.mean_absolute_error == 0.5
    assert number_of(Decimal("sNaN")) is None


def test_correlation_needs_two_sides_that_change() -> None:
    """It is unknown, not 0, for one row and for a side that is always the same."""
    assert compared([(1, 2)]).correlation is None
    assert compared([(1, 2), (1, 3)]).correlation is None
    assert compared([(1, 2), (2, 3), (3, 4)]).correlation == pytest.approx(1)
    assert compared([(1, 3), (2, 2), (3, 1)]).correlation == pytest.approx(-1)
    empty = Numbers()
    assert (empty.mean_absolute_error, empty.mean_error, empty.correlation) == (None, None, None)


@given(st.lists(st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)), max_size=8))
def test_any_numbers_can_be_written(pairs: list[tuple[float, float]]) -> None:
    """Figures that would overflow are null: JSON has no infinity."""
    found = compared(pairs)
    json.dumps(found.as_json(), allow_nan=False)
    assert found.correlation is None or -1 <= found.correlation <= 1
