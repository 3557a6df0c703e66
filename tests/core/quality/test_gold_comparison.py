"""The comparison with gold labels agrees with scikit-learn to the last digits."""

import json
import math
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics
from sklearn.exceptions import UndefinedMetricWarning

from batcher.core.quality import gold_comparison
from batcher.core.quality.class_names import name_of
from batcher.core.quality.gold_comparison import GoldComparison
from batcher.core.quality.interval import wilson

CLASSES = st.sampled_from(["a", "b", "c", "rare", "true"])
PAIRS = st.lists(st.tuples(CLASSES, CLASSES), min_size=1, max_size=60)
ANY = st.sampled_from(["a", "b", True, 3, None])
ROWS = st.lists(st.tuples(ANY, ANY), max_size=30)


def compared(pairs: Sequence[tuple[object, object]]) -> GoldComparison:
    """Compare some pairs, gold first."""
    result = GoldComparison()
    for gold, label in pairs:
        result.add(gold, label)
    return result


def random_pairs(classes: int, rows: int, right: float, seed: int) -> list[tuple[str, str]]:
    """Return pairs, a given share of them equal, over classes of very different sizes."""
    random = Random(seed)
    names = [f"class {n}" for n in range(classes)]
    golds = random.choices(names, [1 / (n + 1) ** 1.5 for n in range(classes)], k=rows)
    return [(g, g if random.random() < right else random.choice(names)) for g in golds]


@pytest.mark.parametrize(
    ("classes", "rows", "right"), [(2, 40, 0.5), (3, 300, 0.9), (10, 2_000, 0.7), (58, 5_000, 0.8)]
)
def test_figures_agree_with_scikit_learn(classes: int, rows: int, right: float) -> None:
    """Accuracy, precision, recall, F1 and kappa agree to 1e-12, with rare classes too."""
    check(random_pairs(classes, rows, right, classes))


@settings(deadline=None)
@given(PAIRS)
@pytest.mark.filterwarnings("ignore:A single label")
def test_any_labels_compare_as_in_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    """They agree too when a class is never gold, never an answer, or the only one."""
    check(pairs)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
@pytest.mark.filterwarnings("ignore:A single label")
def test_booleans_compare_as_in_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    """Classes may be booleans."""
    check(pairs)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(-3, 12), st.integers(-3, 12)), min_size=1, max_size=40))
@pytest.mark.filterwarnings("ignore:A single label")
def test_integers_compare_as_in_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    """Classes may be integers, which sort differently from texts."""
    check(pairs)


def check(pairs: Sequence[tuple[object, object]]) -> None:
    """Check one comparison against scikit-learn."""
    result = compared(pairs)
    golds, labels = zip(*pairs, strict=True)
    classes = sorted({*golds, *labels}, key=lambda value: str(name_of(value)))
    assert result.names == [name_of(value) for value in classes]
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        golds, labels, labels=classes, zero_division=0
    )
    for index, entry in enumerate(result.classes()):
        assert entry.precision == pytest.approx(precision[index], abs=1e-12)
        assert entry.recall == pytest.approx(recall[index], abs=1e-12)
        assert entry.f1 == pytest.approx(f1[index], abs=1e-12)
        assert entry.support == support[index]
        assert entry.answers == labels.count(classes[index])
    assert result.accuracy is not None
    assert result.accuracy.value == pytest.approx(metrics.accuracy_score(golds, labels), abs=1e-12)
    for average, actual in (("macro", result.macro_f1), ("weighted", result.weighted_f1)):
        expected = metrics.f1_score(golds, labels, labels=classes, average=average, zero_division=0)
        assert actual == pytest.approx(expected, abs=1e-12)
    if len(classes) > 1:
        assert result.kappa == pytest.approx(metrics.cohen_kappa_score(golds, labels), abs=1e-12)
    else:
        assert result.kappa is None
    matrix = metrics.confusion_matrix(golds, labels, labels=classes)
    counted = {(gold, label): n for gold, label, n in result.as_json()["confusion"]}
    for row, gold in enumerate(result.names):
        for column, label in enumerate(result.names):
            assert counted.get((gold, label), 0) == matrix[row][column]


@pytest.mark.filterwarnings("ignore:A single label")
def test_one_class_has_no_kappa() -> None:
    """scikit-learn returns nan there: chance would predict the class as well."""
    result = compared([("a", "a")] * 5)
    assert (result.kappa, result.macro_f1, result.as_json()["kappa"]) == (None, 1, None)
    with pytest.warns(UndefinedMetricWarning, match="only one label"):
        assert math.isnan(metrics.cohen_kappa_score(["a"] * 5, ["a"] * 5))


def test_rows_without_an_answer_or_gold_are_counted_apart() -> None:
    """Accuracy counts rows that have both; coverage is the share of gold rows with an answer."""
    result = compared(
        [("a", "a"), ("a", None), (None, "b"), (None, None), (True, "true"), (math.nan, "a")]
    )
    assert (result.total, result.unlabelled, result.without_gold) == (2, 1, 2)
    assert result.coverage == pytest.approx(2 / 3)
    assert result.accuracy is not None
    assert result.accuracy.value == 1


def test_without_rows_there_are_no_figures() -> None:
    """Every figure is None, not 0."""
    empty = GoldComparison()
    assert (empty.accuracy, empty.kappa, empty.macro_f1, empty.weighted_f1) == (None,) * 4
    assert empty.coverage is None
    assert compared([("a", None)]).coverage == 0
    assert json.loads(json.dumps(empty.as_json()))["classes"] == {}


@settings(deadline=None)
@given(ROWS)
def test_kappa_and_accuracy_are_symmetric(
    rows: list[tuple[object, object]],
) -> None:
    """Swapping gold and answers swaps only precision and recall."""
    one, swapped = compared(rows), compared([(label, gold) for gold, label in rows])
    assert (one.accuracy, one.kappa) == (swapped.accuracy, swapped.kappa)
    assert one.macro_f1 == swapped.macro_f1
    assert (one.unlabelled, one.without_gold) == (swapped.without_gold, swapped.unlabelled)
    for left, right in zip(one.classes(), swapped.classes(), strict=True):
        assert (left.precision, left.recall) == (right.recall, right.precision)


@settings(deadline=None)
@given(ROWS, st.randoms())
def test_order_does_not_matter(rows: list[tuple[object, object]], random: Random) -> None:
    """Rows in another order give exactly the same figures."""
    shuffled = random.sample(rows, len(rows))
    assert json.dumps(compared(shuffled).as_json()) == json.dumps(compared(rows).as_json())


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (True, "true"), (False, "false"), (3, "3"), (3.0, "3"), (Decimal("3.0"), "3"),
        (2.5, "2.5"), ("3", "3"), (" a", " a"), (date(2026, 1, 2), "2026-01-02"), ("", ""),
        (None, None), (math.nan, None), (Decimal("nan"), None), (math.inf, "inf"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:A single label")
def test_equal_labels_have_equal_names(value: object, name: str | None) -> None:
    """A gold column may hold 3.0 where the answer is 3; texts are compared exactly."""
    assert name_of(value) == name


@pytest.mark.parametrize("longest", [199, 200, 201])
def test_long_texts_are_not_classes(longest: int) -> None:
    """A field of free text has an accuracy, and no figures by class."""
    result = compared([("x" * longest, "x" * longest), ("a", "b")])
    assert result.has_classes == (longest <= 200)
    assert result.accuracy is not None
    assert (result.accuracy.value, result.total) == (0.5, 2)
    if not result.has_classes:
        assert (result.kappa, result.macro_f1, result.classes()) == (None, None, [])


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many different pairs are dropped; the accuracy still counts all rows."""
    monkeypatch.setattr(gold_comparison, "MAX_PAIRS", 20)
    result = compared([(str(n), str(n)) for n in range(20)])
    assert result.has_classes
    result.add("another", "one")
    assert (result.has_classes, result.correct, result.total) == (False, 20, 21)
    assert len(result.pairs) == 0


def test_the_json_is_bounded() -> None:
    """58 classes are reported in full; of a thousand only the most frequent, and their number."""
    everything = [(str(n), str(m)) for n in range(58) for m in range(58)]
    assert len(compared(everything).as_json()["confusion"]) == 58 * 58
    rows = [(f"{n:04}", f"{m:04}") for n in range(1_000) for m in range(5)]
    figures = compared([*rows, ("0999", "0000"), ("0999", "0000")]).as_json()
    assert (figures["classes_total"], len(figures["classes"])) == (1_000, 200)
    assert "0999" in figures["classes"]
    assert (figures["confusion_total"], len(figures["confusion"])) == (5_000, 4_000)
    assert figures["confusion"][0] == ["0999", "0000", 3]
    assert list(figures["classes"]) == sorted(figures["classes"])


@settings(deadline=None)
@given(st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_agrees_with_scipy(counts: tuple[int, int]) -> None:
    """It agrees for any number of successes, none and all too."""
    successes, trials = counts
    result = wilson(successes, trials)
    expected = binomtest(successes, trials).proportion_ci(0.95, "wilson")
    assert result.low == pytest.approx(expected.low, abs=1e-12)
    assert result.high == pytest.approx(expected.high, abs=1e-12)
    assert 0 <= result.low <= result.value <= result.high <= 1


def test_wilsons_published_interval() -> None:
    """81 of 263, from Newcombe (1998, method 3); no trials are an error."""
    result = wilson(81, 263)
    assert (round(result.low, 4), round(result.high, 4)) == (0.2553, 0.3662)
    with pytest.raises(ValueError, match="at least one"):
        wilson(0, 0)
