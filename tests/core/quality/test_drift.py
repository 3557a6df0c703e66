"""A distribution that moved is told from chance, and from what is not worth a word."""

import json
from collections import Counter
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2, chi2_contingency

from batcher.core.quality.chance import chi_square_survival, p_value
from batcher.core.quality.drift import Drift, drift

COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 500))


def found_in(then: dict[str, int], now: dict[str, int]) -> Drift:
    """Compare two distributions that have labels."""
    found = drift(then, now)
    assert found is not None
    return found


@settings(deadline=None)
@given(st.floats(0, 3_000), st.integers(1, 400))
def test_the_chi_square_distribution_is_that_of_scipy(value: float, degrees: int) -> None:
    """To ten digits, far out in the tail too."""
    ours = chi_square_survival(value, degrees)
    assert ours == pytest.approx(chi2.sf(value, degrees), rel=1e-10, abs=1e-280)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=2, max_size=12),
)
def test_the_test_is_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    """Where every class has enough in both samples."""
    then, now = [one + 20 for one, _ in pairs], [other + 20 for _, other in pairs]
    assume(min(sum(then), sum(now)) * 40 >= 5 * (sum(then) + sum(now)))
    theirs = chi2_contingency([then, now], correction=False).pvalue
    assert p_value(then, now) == pytest.approx(theirs, rel=1e-9, abs=1e-280)


@pytest.mark.parametrize(
    ("then", "now", "grouped"),
    [
        ([100, 60, 2, 3, 5], [90, 70, 3, 3, 4], ([100, 60, 10], [90, 70, 10])),
        ([100, 60, 1, 0], [90, 70, 0, 2], ([100, 61], [90, 72])),
        ([100, 1], [100, 3], None),
        ([3, 2], [2, 2], None),
        ([50], [70], None),
        ([], [], None),
    ],
)
def test_rare_classes_are_taken_together(
    then: list[int], now: list[int], grouped: tuple[list[int], list[int]] | None
) -> None:
    """As one class when that is enough, with the smallest other when not; too few tell nothing."""
    found = p_value(then, now)
    if grouped is None:
        assert found is None
    else:
        assert found == pytest.approx(chi2_contingency(grouped, correction=False).pvalue, rel=1e-9)


@settings(deadline=None)
@given(COUNTS, COUNTS)
def test_distances_are_distances(then: dict[str, int], now: dict[str, int]) -> None:
    """Both are those of their definitions, from 0 to 1, 0 for the same shares, and symmetric."""
    assume(sum(then.values()) and sum(now.values()))
    found, back = found_in(then, now), found_in(now, then)
    old = [then.get(name, 0) / sum(then.values()) for name in "abcdef"]
    new = [now.get(name, 0) / sum(now.values()) for name in "abcdef"]
    assert found.divergence == pytest.approx(jensenshannon(old, new, 2) ** 2, abs=1e-7)
    assert found.distance == pytest.approx(
        sum(max(0, b - a) for a, b in zip(old, new, strict=True))
    )
    assert 0 <= found.divergence <= found.distance + 1e-12 <= 1 + 2e-12
    assert (found.distance, found.divergence) == (back.distance, back.divergence)
    assert found.p_value == (None if back.p_value is None else pytest.approx(back.p_value))
    doubled = found_in(then, {name: 2 * number for name, number in then.items()})
    assert (doubled.distance, doubled.divergence, doubled.is_real) == (0, 0, False)


def test_distributions_without_a_class_in_common_are_as_far_apart_as_can_be() -> None:
    """A distance and a divergence of 1."""
    found = found_in({"a": 80}, {"b": 50})
    assert (found.distance, found.divergence, found.is_real) == (1, 1, True)


@pytest.mark.parametrize(("classes", "rows"), [(2, 400), (4, 60), (10, 150), (58, 1_000)])
def test_chance_is_rarely_taken_for_drift(classes: int, rows: int) -> None:
    """Of draws from one distribution with rare classes no more than about 1 in 100 is reported."""
    random = Random(classes)
    weights = [1 / (n + 1) ** 1.5 for n in range(classes)]
    names = [str(n) for n in range(classes)]
    alarms = 0
    for _ in range(400):
        then, now = (Counter(random.choices(names, weights, k=k)) for k in (rows, rows * 2 // 3))
        alarms += found_in(then, now).is_real
    assert alarms <= 11


def test_a_class_that_grew_is_found() -> None:
    """With the classes that moved most, then and now, the largest change first."""
    found = found_in({"a": 500, "b": 400, "c": 100}, {"a": 300, "b": 610, "c": 90})
    assert found.is_real
    assert found.distance == pytest.approx(0.21)
    assert [one.name for one in found.moved] == ["b", "a", "c"]
    assert (found.moved[0].then, found.moved[0].now) == (0.4, 0.61)
    assert found.as_json()["moved"][0] == {"class": "b", "then": 0.4, "now": 0.61}
    assert json.loads(json.dumps(found.as_json()))["rows_then"] == 1_000


def test_a_new_class_is_found() -> None:
    """Also when the last run had none of it."""
    found = found_in({"a": 500, "b": 500}, {"a": 450, "b": 450, "new": 100})
    assert found.is_real
    assert found.moved[0].name == "new"


def test_what_is_small_is_not_worth_a_word() -> None:
    """Neither a change that is certain and tiny, nor a large one in a handful of rows."""
    certain = found_in({"a": 500_000, "b": 500_000}, {"a": 505_000, "b": 495_000})
    assert certain.p_value is not None
    assert certain.p_value < 1e-6
    assert not certain.is_real
    few = found_in({"a": 5, "b": 2}, {"a": 2, "b": 5})
    assert (few.p_value, few.is_real) == (None, False)
    assert drift({}, {"a": 1}) is None
    assert drift({"a": 1}, {"a": 0}) is None
