"""The report on label quality fits a terminal and states the figures."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.quality.calibration import Calibration
from batcher.core.quality.drift import drift
from batcher.core.quality.gold_comparison import GoldComparison
from batcher.core.quality.gold_numbers import NumberComparison
from batcher.core.quality.report import (
    agreement_lines,
    calibration_lines,
    comparison_lines,
    drift_lines,
    number_lines,
    percent,
    shortened,
)
from batcher.core.quality.votes import Agreement


def compared(classes: int, rows: int = 2_000, missing: int = 0) -> GoldComparison:
    """Compare labels of which nine in ten are right."""
    random, comparison = Random(classes), GoldComparison()
    names = [f"class {n}" for n in range(classes)]
    for gold in random.choices(names, [1 / (n + 1) for n in range(classes)], k=rows):
        comparison.add(gold, gold if random.random() < 0.9 else random.choice(names))
    for _ in range(missing):
        comparison.add("class 0", None)
        comparison.add(None, "class 1")
    return comparison


@pytest.mark.parametrize("classes", [1, 3, 10, 58])
def test_a_comparison_fits_a_terminal(classes: int) -> None:
    """For any number of classes there are at most 28 lines of at most 80 characters."""
    lines = list(
        comparison_lines("a field with quite a long name of its own", compared(classes, missing=12))
    )
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 28


def test_the_headline_has_the_figures() -> None:
    """It has accuracy with interval and rows, F1, kappa, and the rows that are not counted."""
    comparison = GoldComparison()
    for gold, label in [("a", "a")] * 80 + [("b", "b")] * 13 + [("b", "a")] * 7:
        comparison.add(gold, label)
    comparison.add("a", None)
    assert list(comparison_lines("label", comparison)) == [
        "label: accuracy 93.0 % (86.3 to 96.6) over 100 rows",
        "  macro F1 0.873, weighted F1 0.924, kappa 0.748",
        "  not counted: 1 of 101 rows with a gold label has no answer",
        "",
        "  class     gold  precision  recall     F1",
        "  b           20      1.000   0.650  0.788",
        "  a           80      0.920   1.000  0.958",
        "",
        "  gold  answer     rows",
        "  b     a             7",
    ]


def test_the_worst_classes_come_first() -> None:
    """The report also says how many classes and rows it leaves out."""
    comparison = compared(58)
    lines = list(comparison_lines("label", comparison))
    table = [line for line in lines if line.startswith("  class ")][1:]
    worst = sorted(comparison.classes(), key=lambda entry: (entry.f1, -entry.support, entry.name))
    shown = [line.split("  ")[1].strip() for line in table[:12]]
    assert shown == [entry.name for entry in worst[:12]]
    assert f"  and 46 more, F1 {worst[12].f1:.3f} or better" in lines
    left = sum(number for _, _, number in list(comparison.confusions())[5:])
    assert lines[-2].startswith(f"  and {left:,} more rows, ")
    assert lines[-1] == "  all classes and confusions: quality.gold in run.json"


def test_an_undefined_figure_is_a_dash() -> None:
    """A class that is never gold has no recall, and one without answers no precision."""
    comparison = GoldComparison()
    comparison.add("never answered", "never gold")
    lines = list(comparison_lines("label", comparison))
    assert any(line.split()[-4:] == ["1", "-", "0.000", "0.000"] for line in lines)
    assert any(line.split()[-4:] == ["0", "0.000", "-", "0.000"] for line in lines)


def test_undefined_comparisons_are_explained() -> None:
    """These are: no rows, a single class, and free text."""
    empty = GoldComparison()
    assert list(comparison_lines("x", empty)) == ["x: no row has both an answer and a gold label"]
    assert "kappa not defined: one class" in list(comparison_lines("x", compared(1)))[1]
    empty.add("long " * 100, "a")
    assert list(comparison_lines("x", empty)) == [
        "x: accuracy 0.0 % (0.0 to 79.3) over 1 row",
        "  no figures by class: free text, numbers or too many different values",
    ]


def test_the_report_on_drift() -> None:
    """It has a headline and a table of the largest changes."""
    result = drift({"a": 500, "b": 500}, {"a": 300, "b": 700})
    assert result is not None
    assert list(drift_lines("label", result)) == [
        "label: distribution differs by 20.0 % from the last run",
        "  class   before      now",
        "  a       50.0 %   30.0 %",
        "  b       50.0 %   70.0 %",
    ]


def test_the_reports_on_numbers_votes_and_confidence() -> None:
    """Each has a headline and the values that are not counted, and says when it has no rows."""
    numbers, agreement, calibration = NumberComparison(), Agreement(), Calibration()
    assert "no row" in next(iter(number_lines("score", numbers)))
    assert "no row" in next(iter(agreement_lines("label", agreement)))
    assert "no answer" in next(iter(calibration_lines("confidence", calibration)))
    for gold, label in [(1, 1.5), (2, 2.5), (3, None)]:
        numbers.add(gold, label)
    for answers in (["a", "a", "b"], ["b", "b", "b"], ["a", "b"], ["a"]):
        agreement.add(answers)
    for stated, is_right in [(0.95, True), (0.95, False), (0.4, False), (95, True)]:
        calibration.add(stated, is_right)
    assert list(number_lines("score", numbers)) == [
        "score: mean absolute error 0.5 over 2 rows",
        "  mean error +0.5, correlation 1.000",
        "  not counted: 1 of 3 rows with a gold label has no answer",
    ]
    assert list(agreement_lines("label", agreement)) == [
        "label: mean agreement 72.2 % over 3 rows",
        "  1 unanimous, 1 tie (no majority label), alpha 0.067",
        "  not counted: 1 row with a single answer",
    ]
    assert list(calibration_lines("confidence", calibration)) == [
        "confidence: differs from accuracy by 43.3 % on average (3 answers)",
        "  not counted: 1 value that is not from 0 to 1",
        "",
        "  confidence  correct    answers",
        "       0.400    0.0 %          1",
        "       0.950   50.0 %          2",
    ]


@given(st.text(max_size=60))
def test_names_stay_on_their_line(name: str) -> None:
    """Unprintable characters of any name are replaced, and a long name is cut off."""
    assert shortened(name).isprintable()
    assert 0 < len(shortened(name)) <= 28


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.0 %"), (1, "100.0 %"), (0.99999, "99.9 %"), (0.00001, "0.1 %"), (0.5, "50.0 %")],
)
def test_only_exact_ends_are_0_and_100_percent(share: float, text: str) -> None:
    """One wrong row in a million is not 100 %."""
    assert percent(share) == text
