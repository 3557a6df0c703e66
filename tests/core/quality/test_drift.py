"""Drift is distinguished from chance and from changes too small to report."""

import json
from collections import Counter
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2, chi2_contingency

from batcher.core.quality.chi_square import chi_square_survival, p_value
from batcher.core.quality.drift import Drift, drift

COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 500))


def drift_of(before: dict[str, int], now: dict[str, int]) -> Drift:
    """Compare two distributions that have labels."""
    result = drift(before, now)
    assert result is not None
    return result


@settings(deadline=None)
@given(st.floats(0, 3_000), st.integers(1, 400))
def test_the_chi_square_distribution_agrees_with_scipy(value: float, degrees: int) -> None:
    """It agrees to ten digits, in the far tail too."""
    survival = chi_square_survival(value, degrees)
    assert survival == pytest.approx(chi2.sf(value, degrees), rel=1e-10, abs=1e-280)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=2, max_size=12),
)
def test_the_p_value_agrees_with_scipy(pairs: list[tuple[int, int]]) -> None:
    """It agrees where every class has enough rows in both samples."""
    before, now = [count + 20 for count, _ in pairs], [count + 20 for _, count in pairs]
    assume(min(sum(before), sum(now)) * 40 >= 5 * (sum(before) + sum(now)))
    expected = chi2_contingency([before, now], correction=False).pvalue
    assert p_value(before, now) == pytest.approx(expected, rel=1e-9, abs=1e-280)


@pytest.mark.parametrize(
    ("before", "now", "grouped"),
    [
        ([100, 60, 2, 3, 5], [90, 70, 3, 3, 4], ([100, 60, 10], [90, 70, 10])),
        ([100, 60, 1, 0], [90, 70, 0, 2], ([100, 61], [90, 72])),
        ([100, 1], [100, 3], None),
        ([3, 2], [2, 2], None),
        ([50], [70], None),
        ([], [], None),
    ],
)
def test_rare_classes_are_merged(
    before: list[int], now: list[int], grouped: tuple[list[int], list[int]] | None
) -> None:
    """They become one class, or join the smallest other class; too few rows have no p-value."""
    result = p_value(before, now)
    if grouped is None:
        assert result is None
    else:
        assert result == pytest.approx(chi2_contingency(grouped, correction=False).pvalue, rel=1e-9)


@settings(deadline=None)
@given(COUNTS, COUNTS)
def test_distance_and_divergence_follow_their_definitions(
    before: dict[str, int], now: dict[str, int]
) -> None:
    """Both are from 0 to 1, 0 for equal shares, and symmetric."""
    assume(sum(before.values()) and sum(now.values()))
    result, reverse = drift_of(before, now), drift_of(now, before)
    old = [before.get(name, 0) / sum(before.values()) for name in "abcdef"]
    new = [now.get(name, 0) / sum(now.values()) for name in "abcdef"]
    assert result.divergence == pytest.approx(jensenshannon(old, new, 2) ** 2, abs=1e-7)
    assert result.distance == pytest.approx(
        sum(max(0, b - a) for a, b in zip(old, new, strict=True))
    )
    assert 0 <= result.divergence <= result.distance + 1e-12 <= 1 + 2e-12
    assert (result.distance, result.divergence) == (reverse.distance, reverse.divergence)
    assert result.p_value == (None if reverse.p_value is None else pytest.approx(reverse.p_value))
    doubled = drift_of(before, {name: 2 * number for name, number in before.items()})
    assert (doubled.distance, doubled.divergence, doubled.is_significant) == (0, 0, False)


def test_distributions_without_a_common_class_have_the_largest_distance() -> None:
    """Distance and divergence are 1."""
    result = drift_of({"a": 80}, {"b": 50})
    assert (result.distance, result.divergence, result.is_significant) == (1, 1, True)


@pytest.mark.parametrize(("classes", "rows"), [(2, 400), (4, 60), (10, 150), (58, 1_000)])
def test_chance_is_rarely_reported_as_drift(classes: int, rows: int) -> None:
    """At most about 1 in 100 pairs of samples from one distribution with rare classes is."""
    random = Random(classes)
    weights = [1 / (n + 1) ** 1.5 for n in range(classes)]
    names = [str(n) for n in range(classes)]
    alarms = 0
    for _ in range(400):
        before, now = (Counter(random.choices(names, weights, k=k)) for k in (rows, rows * 2 // 3))
        alarms += drift_of(before, now).is_significant
    assert alarms <= 11


def test_a_class_that_grew_is_reported() -> None:
    """The report has the classes with the largest changes, largest first, with both shares."""
    result = drift_of({"a": 500, "b": 400, "c": 100}, {"a": 300, "b": 610, "c": 90})
    assert result.is_significant
    assert result.distance == pytest.approx(0.21)
    assert [change.name for change in result.changes] == ["b", "a", "c"]
    assert (result.changes[0].before, result.changes[0].now) == (0.4, 0.61)
    assert result.as_json()["changes"][0] == {"class": "b", "before": 0.4, "now": 0.61}
    assert json.loads(json.dumps(result.as_json()))["rows_before"] == 1_000


def test_a_new_class_is_reported() -> None:
    """A class that the last run did not have counts as a change."""
    result = drift_of({"a": 500, "b": 500}, {"a": 450, "b": 450, "new": 100})
    assert result.is_significant
    assert result.changes[0].name == "new"


def test_small_changes_are_not_reported() -> None:
    """Neither a significant but tiny change nor a large one in a few rows is."""
    certain = drift_of({"a": 500_000, "b": 500_000}, {"a": 505_000, "b": 495_000})
    assert certain.p_value is not None
    assert certain.p_value < 1e-6
    assert not certain.is_significant
    few = drift_of({"a": 5, "b": 2}, {"a": 2, "b": 5})
    assert (few.p_value, few.is_significant) == (None, False)
    assert drift({}, {"a": 1}) is None
    assert drift({"a": 1}, {"a": 0}) is None
