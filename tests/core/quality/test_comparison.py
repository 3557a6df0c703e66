"""The figures of labels against gold are scikit-learn's, to the last digits."""

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

from batcher.core.quality import gold_comparison as comparison
from batcher.core.quality.gold_comparison import GoldComparison
from batcher.core.quality.interval import wilson
from batcher.core.quality.names import name_of

CLASSES = st.sampled_from(["a", "b", "c", "rare", "true"])
PAIRS = st.lists(st.tuples(CLASSES, CLASSES), min_size=1, max_size=60)
ANY = st.sampled_from(["a", "b", True, 3, None])
ROWS = st.lists(st.tuples(ANY, ANY), max_size=30)


def compared(pairs: Sequence[tuple[object, object]]) -> GoldComparison:
    """Take some pairs, gold first."""
    found = GoldComparison()
    for gold, label in pairs:
        found.add(gold, label)
    return found


def drawn(classes: int, rows: int, right: float, seed: int) -> list[tuple[str, str]]:
    """Labels that are right at a rate, over classes of very different sizes."""
    random = Random(seed)
    names = [f"class {n}" for n in range(classes)]
    golds = random.choices(names, [1 / (n + 1) ** 1.5 for n in range(classes)], k=rows)
    return [(g, g if random.random() < right else random.choice(names)) for g in golds]


@pytest.mark.parametrize(
    ("classes", "rows", "right"), [(2, 40, 0.5), (3, 300, 0.9), (10, 2_000, 0.7), (58, 5_000, 0.8)]
)
def test_figures_are_those_of_scikit_learn(classes: int, rows: int, right: float) -> None:
    """Accuracy, precision, recall, F1 and kappa, on random labels with rare classes, to 1e-12."""
    check(drawn(classes, rows, right, classes))


@settings(deadline=None)
@given(PAIRS)
@pytest.mark.filterwarnings("ignore:A single label")
def test_any_labels_compare_as_in_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    """Also where a class is never gold, never answered, or the only one."""
    check(pairs)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
@pytest.mark.filterwarnings("ignore:A single label")
def test_booleans_compare_as_in_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    """Classes need not be texts."""
    check(pairs)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(-3, 12), st.integers(-3, 12)), min_size=1, max_size=40))
@pytest.mark.filterwarnings("ignore:A single label")
def test_integers_compare_as_in_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    """Nor need they be anything that sorts as a text does."""
    check(pairs)


def check(pairs: Sequence[tuple[object, object]]) -> None:
    """Hold one comparison against scikit-learn."""
    found = compared(pairs)
    golds, labels = zip(*pairs, strict=True)
    classes = sorted({*golds, *labels}, key=lambda one: str(name_of(one)))
    assert found.names == [name_of(one) for one in classes]
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        golds, labels, labels=classes, zero_division=0
    )
    for index, one in enumerate(found.classes()):
        assert one.precision == pytest.approx(precision[index], abs=1e-12)
        assert one.recall == pytest.approx(recall[index], abs=1e-12)
        assert one.f1 == pytest.approx(f1[index], abs=1e-12)
        assert one.support == support[index]
        assert one.answers == labels.count(classes[index])
    assert found.accuracy is not None
    assert found.accuracy.value == pytest.approx(metrics.accuracy_score(golds, labels), abs=1e-12)
    for average, ours in (("macro", found.macro_f1), ("weighted", found.weighted_f1)):
        theirs = metrics.f1_score(golds, labels, labels=classes, average=average, zero_division=0)
        assert ours == pytest.approx(theirs, abs=1e-12)
    if len(classes) > 1:
        assert found.kappa == pytest.approx(metrics.cohen_kappa_score(golds, labels), abs=1e-12)
    else:
        assert found.kappa is None
    matrix = metrics.confusion_matrix(golds, labels, labels=classes)
    counted = {(gold, label): n for gold, label, n in found.as_json()["confusion"]}
    for row, gold in enumerate(found.names):
        for column, label in enumerate(found.names):
            assert counted.get((gold, label), 0) == matrix[row][column]


@pytest.mark.filterwarnings("ignore:A single label")
def test_one_class_has_no_kappa() -> None:
    """Where scikit-learn says nan, chance finds the class as well: there is nothing to tell."""
    found = compared([("a", "a")] * 5)
    assert (found.kappa, found.macro_f1, found.as_json()["kappa"]) == (None, 1, None)
    with pytest.warns(UndefinedMetricWarning, match="only one label"):
        assert math.isnan(metrics.cohen_kappa_score(["a"] * 5, ["a"] * 5))


def test_rows_without_a_label_or_gold_are_told_and_not_counted() -> None:
    """Accuracy is over rows that have both, and coverage says how many have a label."""
    found = compared(
        [("a", "a"), ("a", None), (None, "b"), (None, None), (True, "true"), (math.nan, "a")]
    )
    assert (found.total, found.unlabelled, found.ungolden) == (2, 1, 2)
    assert found.coverage == pytest.approx(2 / 3)
    assert found.accuracy is not None
    assert found.accuracy.value == 1


def test_nothing_has_no_figures() -> None:
    """Without a row every figure is unknown, which is not 0."""
    empty = GoldComparison()
    assert (empty.accuracy, empty.kappa, empty.macro_f1, empty.weighted_f1) == (None,) * 4
    assert empty.coverage is None
    assert compared([("a", None)]).coverage == 0
    assert json.loads(json.dumps(empty.as_json()))["classes"] == {}


@settings(deadline=None)
@given(ROWS)
def test_kappa_and_accuracy_do_not_care_which_side_is_gold(
    rows: list[tuple[object, object]],
) -> None:
    """Swapping the sides swaps precision and recall, and nothing else."""
    one, other = compared(rows), compared([(label, gold) for gold, label in rows])
    assert (one.accuracy, one.kappa, one.macro_f1) == (other.accuracy, other.kappa, other.macro_f1)
    assert (one.unlabelled, one.ungolden) == (other.ungolden, other.unlabelled)
    for mine, yours in zip(one.classes(), other.classes(), strict=True):
        assert (mine.precision, mine.recall) == (yours.recall, yours.precision)


@settings(deadline=None)
@given(ROWS, st.randoms())
def test_order_does_not_matter(rows: list[tuple[object, object]], random: Random) -> None:
    """Rows in another order give the very same figures."""
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
def test_one_class_has_one_name(value: object, name: str | None) -> None:
    """A gold column may hold 3.0 where the label is 3; texts are compared exactly."""
    assert name_of(value) == name


@pytest.mark.parametrize("longest", [199, 200, 201])
def test_long_texts_are_no_classes(longest: int) -> None:
    """A field of free text has an accuracy, and no figures by class."""
    found = compared([("x" * longest, "x" * longest), ("a", "b")])
    assert found.is_open == (longest > 200)
    assert found.accuracy is not None
    assert (found.accuracy.value, found.total) == (0.5, 2)
    if found.is_open:
        assert (found.kappa, found.macro_f1, found.classes()) == (None, None, [])


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """More different pairs than may be held are let go; what was counted still stands."""
    monkeypatch.setattr(comparison, "MOST_PAIRS", 20)
    found = compared([(str(n), str(n)) for n in range(20)])
    assert not found.is_open
    found.add("another", "one")
    assert (found.is_open, found.hits, found.total, len(found.pairs)) == (True, 20, 21, 0)


def test_what_programs_read_is_bounded() -> None:
    """58 classes are told in full; of a thousand the most frequent, and how many there are."""
    everything = [(str(n), str(m)) for n in range(58) for m in range(58)]
    assert len(compared(everything).as_json()["confusion"]) == 58 * 58
    rows = [(f"{n:04}", f"{m:04}") for n in range(1_000) for m in range(5)]
    told = compared([*rows, ("0999", "0000"), ("0999", "0000")]).as_json()
    assert (told["classes_total"], len(told["classes"])) == (1_000, 200)
    assert "0999" in told["classes"]
    assert (told["confusion_total"], len(told["confusion"])) == (5_000, 4_000)
    assert told["confusion"][0] == ["0999", "0000", 3]
    assert list(told["classes"]) == sorted(told["classes"])


@settings(deadline=None)
@given(st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_is_that_of_scipy(counts: tuple[int, int]) -> None:
    """For any number of hits, none and all among them."""
    hits, trials = counts
    found = wilson(hits, trials)
    theirs = binomtest(hits, trials).proportion_ci(0.95, "wilson")
    assert found.low == pytest.approx(theirs.low, abs=1e-12)
    assert found.high == pytest.approx(theirs.high, abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_wilsons_published_interval() -> None:
    """81 of 263, from Newcombe (1998, method 3); and a share of nothing is an error."""
    found = wilson(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    with pytest.raises(ValueError, match="at least one"):
        wilson(0, 0)
