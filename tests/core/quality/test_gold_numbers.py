"""The comparison with gold numbers agrees with scikit-learn and numpy."""

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

from batcher.core.quality.gold_numbers import NumberComparison, number_of


def compared(pairs: Sequence[tuple[object, object]]) -> NumberComparison:
    """Compare some pairs, gold first."""
    comparison = NumberComparison()
    for gold, label in pairs:
        comparison.add(gold, label)
    return comparison


def random_pairs(rows: int, seed: int) -> list[tuple[float, float]]:
    """Return pairs of correlated numbers far from 0."""
    random = Random(seed)
    golds = [random.gauss(1e6, 3) for _ in range(rows)]
    return [(gold, gold + random.gauss(0.5, 2)) for gold in golds]


@pytest.mark.parametrize("rows", [2, 3, 50, 3_000])
def test_figures_agree_with_scikit_learn_and_numpy(rows: int) -> None:
    """These are mean absolute error, mean error and Pearson's correlation."""
    pairs = random_pairs(rows, rows)
    golds, labels = zip(*pairs, strict=True)
    shift = np.array(labels) - np.array(golds)
    comparison = compared(pairs)
    assert comparison.mean_absolute_error == pytest.approx(mean_absolute_error(golds, labels))
    assert comparison.mean_error == pytest.approx(shift.mean(), abs=1e-9)
    assert comparison.correlation == pytest.approx(np.corrcoef(golds, labels)[0, 1], abs=1e-9)


def test_values_that_are_not_numbers_count_as_missing() -> None:
    """These are null, texts, booleans, NaN and numbers too large for a double."""
    rows = [(1, 2), (Decimal("0.5"), 0.5), (None, 1), (1, None), (True, 1), ("1", 1), (1, math.nan)]
    comparison = compared([*rows, (10**400, 1), (1, math.inf), (None, None)])
    assert (comparison.total, comparison.without_gold, comparison.unlabelled) == (2, 4, 3)
    assert comparison.mean_absolute_error == 0.5
    assert number_of(Decimal("sNaN")) is None


def test_correlation_needs_two_sides_that_vary() -> None:
    """It is None, not 0, for one row and for a constant side."""
    assert compared([(1, 2)]).correlation is None
    assert compared([(1, 2), (1, 3)]).correlation is None
    assert compared([(1, 2), (2, 3), (3, 4)]).correlation == pytest.approx(1)
    assert compared([(1, 3), (2, 2), (3, 1)]).correlation == pytest.approx(-1)
    empty = NumberComparison()
    assert (empty.mean_absolute_error, empty.mean_error, empty.correlation) == (None, None, None)


@given(st.lists(st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)), max_size=8))
def test_figures_of_any_numbers_are_json(pairs: list[tuple[float, float]]) -> None:
    """Figures that overflow are null, because JSON has no infinity."""
    comparison = compared(pairs)
    json.dumps(comparison.as_json(), allow_nan=False)
    assert comparison.correlation is None or -1 <= comparison.correlation <= 1
