"""Figures count rows; gold labels are read like answers; drift compares new labels only."""

import json
from datetime import UTC, date, datetime
from random import Random
from typing import Any

import pytest

from batcher.core.labels.labels import Labels
from batcher.core.labels.schema.fields import schema_of_fields
from batcher.core.quality.gold_labels import NOT_A_CHOICE, GoldLabels
from batcher.core.quality.tally import Tally
from batcher.core.quality.votes import NULL, Vote, vote, vote_of

FIELDS = (
    "label: Billing|delivery|other, urgent bool, score float, confidence float, stars int, "
    "day? date, moment datetime, note text"
)


def tally(fields: str = FIELDS, about: str = "label", **more: Any) -> Tally:
    """Return a tally with gold labels for one field."""
    labels = Labels.of(schema_of_fields(fields))
    return Tally(labels.columns, GoldLabels.of(labels, "truth", about), **more)


@pytest.mark.parametrize(
    ("about", "gold", "answer"),
    [
        ("label", "billing", "Billing"),
        ("label", " BILLING ", "Billing"),
        ("urgent", "True", True),
        ("urgent", 1, True),
        ("urgent", "no", False),
        ("score", "0.5", 0.5),
        ("stars", "1152921504606846977", 1152921504606846977),
        ("stars", 4.0, 4),
        ("day", date(2026, 1, 2), "2026-01-02"),
        ("day", datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02"),
        ("moment", datetime(2026, 1, 2, 8, tzinfo=UTC), "2026-01-02T09:00:00+01:00"),
        ("moment", "2026-01-02 08:00:00", "2026-01-02T08:00:00Z"),
    ],
)
def test_gold_labels_are_read_like_answers(about: str, gold: object, answer: object) -> None:
    """Letter case, values as texts, and times of other types or zones make no difference."""
    result = tally(about=about)
    result.add(gold, [{about: answer}], is_new=True)
    figures = result.as_json()["gold"]
    assert figures["rows"] == 1
    assert figures.get("mean_absolute_error", 0) == 0
    assert "accuracy" not in figures or figures["accuracy"]["value"] == 1


@pytest.mark.parametrize("gold", [None, "", "  ", float("nan")])
def test_an_empty_cell_is_no_gold_label(gold: object) -> None:
    """Its row has no gold label; the answer is not wrong."""
    result = tally()
    result.add(gold, [{"label": "other"}], is_new=True)
    assert result.as_json()["gold"]["without_gold"] == 1
    assert result.as_json()["gold"]["rows"] == 0


def test_the_majority_of_several_answers_is_compared() -> None:
    """Each row counts once, and a tie as no answer; single answers have figures of their own."""
    result = tally()
    answers = [
        ["Billing", "Billing", "other"],
        ["other", "other", "Billing"],
        ["other", "Billing", None],
    ]
    for labels in answers:
        row = [None if label is None else {"label": label} for label in labels]
        result.add("Billing", row, is_new=True)
    figures = result.as_json()
    assert (figures["gold"]["rows"], figures["gold"]["unlabelled"]) == (2, 1)
    assert figures["gold"]["accuracy"]["value"] == 0.5
    assert figures["gold"]["single_answers"]["rows"] == 8
    assert figures["gold"]["single_answers"]["accuracy"]["value"] == 0.5
    assert figures["votes"]["label"]["ties"] == 1
    assert figures["class_counts"]["label"] == {"Billing": 1, "other": 1}


def test_votes_do_not_narrow_the_interval() -> None:
    """Ten equal answers to a row count as one row."""
    one, ten = tally(), tally()
    random = Random(1)
    for _ in range(50):
        gold = random.choice(["Billing", "other"])
        one.add(gold, [{"label": "other"}], is_new=True)
        ten.add(gold, [{"label": "other"}] * 10, is_new=True)
    assert one.as_json()["gold"]["accuracy"] == ten.as_json()["gold"]["accuracy"]


def test_stated_confidence_is_compared_with_accuracy() -> None:
    """Nine of ten answers that state 0.9 are right: the calibration error is 0."""
    result = tally()
    for n in range(10):
        result.add(
            "other", [{"label": "Billing" if n == 0 else "other", "confidence": 0.9}], is_new=False
        )
    assert result.as_json()["confidence"]["expected_calibration_error"] == pytest.approx(0)
    assert any(line.startswith("confidence: differs from accuracy by") for line in result.lines())


def test_drift_compares_new_labels_only() -> None:
    """A thousand old rows do not hide that all new ones are different."""
    result = tally(previous={"label": {"Billing": 100, "other": 100}})
    for n in range(1_000):
        result.add(None, [{"label": "Billing" if n % 2 else "other"}], is_new=False)
    assert result.drifts() == {}
    for _ in range(100):
        result.add(None, [{"label": "delivery"}], is_new=True)
    assert result.drifts()["label"].distance == 1
    assert result.as_json()["new_class_counts"] == {"label": {"delivery": 100}}
    assert any("distribution differs by 100.0 %" in line for line in result.lines())


def test_an_impossible_gold_label_is_wrong() -> None:
    """It counts as wrong, and its own text is never reported."""
    result = tally()
    for gold in ("private words", "billing"):
        result.add(gold, [{"label": "Billing"}], is_new=True)
    figures = result.as_json()["gold"]
    assert figures["accuracy"]["value"] == 0.5
    assert [NOT_A_CHOICE, "Billing", 1] in figures["confusion"]
    assert "private" not in json.dumps(result.as_json()) + "".join(result.lines())


def test_free_text_has_no_classes() -> None:
    """A field of free text has an accuracy, and its content is never reported."""
    result = tally(about="note")
    for gold in ("private words", "secret words"):
        result.add(gold, [{"note": "private words"}], is_new=True)
    assert result.as_json()["gold"]["accuracy"]["value"] == 0.5
    figures = json.dumps(result.as_json()) + "".join(result.lines())
    assert "private" not in figures
    assert "secret" not in figures


def test_integers_have_an_accuracy_and_an_error() -> None:
    """The numbers themselves are content and never reported."""
    result = tally(about="stars")
    for gold, stars in [(5, 5), (4, 2)]:
        result.add(gold, [{"stars": stars}], is_new=True)
    figures = result.as_json()["gold"]
    assert (figures["accuracy"]["value"], figures["mean_absolute_error"]) == (0.5, 1.0)
    assert [line.split()[0] for line in result.lines() if line[:1].strip()] == ["stars:", "stars:"]


def test_choices_and_numbers_match() -> None:
    """Choices may look like numbers, and a gold column may hold class numbers."""
    labels = Labels.of(schema_of_fields("stars: 1|2|3"))
    gold = GoldLabels.of(labels, "truth")
    assert [gold.gold_value(cell) for cell in (2, 2.0, "3", 4)] == ["2", "2", "3", NOT_A_CHOICE]
    labels = Labels.of(schema_of_fields("animal: cat|dog"))
    gold = GoldLabels.of(labels, "truth", classes=["Cat", "dog"])
    assert [gold.gold_value(cell) for cell in (0, 1, -1, "dog")] == ["cat", "dog", None, "dog"]


def test_an_empty_field_is_a_vote() -> None:
    """Four valid answers that leave a field empty outvote one that fills it."""
    result = tally(about="day")
    answers = [*[{"label": "other", "day": None}] * 4, {"label": "other", "day": "2026-01-01"}]
    result.add(None, answers, is_new=True)
    assert vote([vote_of(answer, "day") for answer in answers]) == Vote(NULL, 0.8, 5)
    assert vote([NULL, NULL, "x"]).value is None  # type: ignore[union-attr]
    assert result.as_json()["votes"]["day"]["mean_agreement"] == 0.8
