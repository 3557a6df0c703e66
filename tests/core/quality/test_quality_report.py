"""The quality of labels in words: it fits a terminal, and says what the figures say."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.quality.confidence import Confidence
from batcher.core.quality.drift import drift
from batcher.core.quality.gold_comparison import GoldComparison
from batcher.core.quality.numbers import Numbers
from batcher.core.quality.report import (
    agreement_lines,
    comparison_lines,
    confidence_lines,
    drift_lines,
    number_lines,
    percent,
    shortened,
)
from batcher.core.quality.votes import Agreement


def compared(classes: int, rows: int = 2_000, missing: int = 0) -> GoldComparison:
    """Labels of which nine in ten are right."""
    random, found = Random(classes), GoldComparison()
    names = [f"class {n}" for n in range(classes)]
    for gold in random.choices(names, [1 / (n + 1) for n in range(classes)], k=rows):
        found.add(gold, gold if random.random() < 0.9 else random.choice(names))
    for _ in range(missing):
        found.add("class 0", None)
        found.add(None, "class 1")
    return found


@pytest.mark.parametrize("classes", [1, 3, 10, 58])
def test_a_comparison_fits_a_terminal(classes: int) -> None:
    """No line is longer than 80 characters, and there are at most 28, however many classes."""
    lines = list(
        comparison_lines("a field with quite a long name of its own", compared(classes, missing=12))
    )
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 28


def test_the_headline_has_the_figures() -> None:
    """Accuracy with its interval and its rows, F1, kappa, and what was not counted."""
    found = GoldComparison()
    for gold, label in [("a", "a")] * 80 + [("b", "b")] * 13 + [("b", "a")] * 7:
        found.add(gold, label)
    found.add("a", None)
    assert list(comparison_lines("label", found)) == [
        "label: accuracy 93.0 % (86.3 to 96.6) of 100 rows",
        "  macro F1 0.873, weighted F1 0.924, kappa 0.748",
        "  not counted: 1 of 101 rows with gold have no label",
        "",
        "  class     gold  precision  recall     F1",
        "  b           20      1.000   0.650  0.788",
        "  a           80      0.920   1.000  0.958",
        "",
        "  gold  taken for     rows",
        "  b     a                7",
    ]


def test_the_worst_classes_come_first() -> None:
    """And what is left off is said: how many classes, how many rows."""
    found = compared(58)
    lines = list(comparison_lines("label", found))
    table = [line for line in lines if line.startswith("  class ")][1:]
    worst = sorted(found.classes(), key=lambda one: (one.f1, -one.support, one.name))
    assert [line.split("  ")[1].strip() for line in table[:12]] == [one.name for one in worst[:12]]
    assert f"  and 46 more, F1 {worst[12].f1:.3f} or better" in lines
    left = sum(number for _, _, number in list(found.confusions())[5:])
    assert lines[-2].startswith(f"  and {left:,} more rows, ")
    assert lines[-1] == "  all classes and confusions: quality.gold in run.json"


def test_a_figure_that_nothing_says_is_a_dash() -> None:
    """A class that is never gold has no recall, one that is never answered no precision."""
    found = GoldComparison()
    found.add("never answered", "never gold")
    lines = list(comparison_lines("label", found))
    assert any(line.split()[-4:] == ["1", "-", "0.000", "0.000"] for line in lines)
    assert any(line.split()[-4:] == ["0", "0.000", "-", "0.000"] for line in lines)


def test_comparisons_of_little_say_so() -> None:
    """No row, one class only, or free text: each is said in words."""
    empty = GoldComparison()
    assert list(comparison_lines("x", empty)) == ["x: no row has both a label and a gold label"]
    assert "kappa not defined: one class" in list(comparison_lines("x", compared(1)))[1]
    empty.add("long " * 100, "a")
    assert list(comparison_lines("x", empty)) == [
        "x: accuracy 0.0 % (0.0 to 79.3) of 1 rows",
        "  it has too many different values to be told class by class",
    ]


def test_drift_in_words() -> None:
    """A headline and a table of what moved."""
    moved = drift({"a": 500, "b": 500}, {"a": 300, "b": 700})
    assert moved is not None
    assert list(drift_lines("label", moved)) == [
        "label: 20.0 % of labels moved since the last run",
        "  class     then      now",
        "  a       50.0 %   30.0 %",
        "  b       50.0 %   70.0 %",
    ]


def test_numbers_votes_and_confidence_in_words() -> None:
    """Each has a headline, says what it left out, and says when there is nothing to say."""
    numbers, agreement, confidence = Numbers(), Agreement(), Confidence()
    assert "no row" in next(iter(number_lines("score", numbers)))
    assert "no row" in next(iter(agreement_lines("label", agreement)))
    assert "no answer" in next(iter(confidence_lines("confidence", confidence)))
    for gold, label in [(1, 1.5), (2, 2.5), (3, None)]:
        numbers.add(gold, label)
    for answers in (["a", "a", "b"], ["b", "b", "b"], ["a", "b"], ["a"]):
        agreement.add(answers)
    for stated, is_right in [(0.95, True), (0.95, False), (0.4, False), (95, True)]:
        confidence.add(stated, is_right)
    assert list(number_lines("score", numbers)) == [
        "score: off by 0.5 at the mean of 2 rows",
        "  mean error +0.5, correlation 1.000",
        "  not counted: 1 of 3 rows with gold have no label",
    ]
    assert list(agreement_lines("label", agreement)) == [
        "label: answers agree by 72.2 % over 3 rows",
        "  1 unanimous, 1 tie (no label), alpha 0.067",
        "  not counted: 1 rows with a single answer",
    ]
    assert list(confidence_lines("confidence", confidence)) == [
        "confidence: off by 43.3 % from how often answers are right (3 answers)",
        "  not counted: 1 that are no number from 0 to 1",
        "",
        "  confidence    right    answers",
        "       0.400    0.0 %          1",
        "       0.950   50.0 %          2",
    ]


@given(st.text(max_size=60))
def test_names_stay_on_their_line(name: str) -> None:
    """Whatever a class is called: what cannot be printed is replaced, what is long is cut."""
    assert shortened(name).isprintable()
    assert 0 < len(shortened(name)) <= 28


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.0 %"), (1, "100.0 %"), (0.99999, "99.9 %"), (0.00001, "0.1 %"), (0.5, "50.0 %")],
)
def test_all_and_none_are_said_of_all_and_none_only(share: float, text: str) -> None:
    """One wrong row in a million is not 100 %."""
    assert percent(share) == text
