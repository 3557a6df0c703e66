"""Rows are what figures count, gold is read as answers are, and drift is of new labels only."""

from random import Random
from typing import Any

import pytest

from batcher.core.labelling.fields import schema_of_fields
from batcher.core.labelling.labels import Labels
from batcher.core.quality.gold import Gold
from batcher.core.quality.tally import Tally

FIELDS = "label: Billing|delivery|other, urgent bool, score float, confidence float"


def tally(fields: str = FIELDS, about: str = "label", **more: Any) -> Tally:
    """One with gold about a field."""
    labels = Labels.of(schema_of_fields(fields))
    return Tally(labels.columns, Gold.of(labels, "truth", about), **more)


@pytest.mark.parametrize(
    ("about", "gold", "answer"),
    [
        ("label", "billing", "Billing"),
        ("label", " BILLING ", "Billing"),
        ("urgent", "True", True),
        ("urgent", 1, True),
        ("urgent", "no", False),
        ("score", "0.5", 0.5),
    ],
)
def test_gold_is_read_as_answers_are(about: str, gold: object, answer: object) -> None:
    """Other capitals, and truth values and numbers as texts, are the same label."""
    found = tally(about=about)
    found.add(gold, [{about: answer}], is_new=True)
    told = found.as_json()["gold"]
    assert told["rows"] == 1
    assert told.get("mean_absolute_error") == 0 or told["accuracy"]["value"] == 1


@pytest.mark.parametrize("gold", [None, "", "  ", float("nan")])
def test_nothing_is_no_gold(gold: object) -> None:
    """An empty cell is a row without gold, and not a wrong answer."""
    found = tally()
    found.add(gold, [{"label": "other"}], is_new=True)
    assert found.as_json()["gold"]["without_gold"] == 1
    assert found.as_json()["gold"]["rows"] == 0


def test_of_several_answers_the_majority_is_compared() -> None:
    """Each row counts once, a tie as no label; the single answers are told apart."""
    found = tally()
    answers = [
        ["Billing", "Billing", "other"],
        ["other", "other", "Billing"],
        ["other", "Billing", None],
    ]
    for said in answers:
        row = [None if one is None else {"label": one} for one in said]
        found.add("Billing", row, is_new=True)
    told = found.as_json()
    assert (told["gold"]["rows"], told["gold"]["unlabelled"]) == (2, 1)
    assert told["gold"]["accuracy"]["value"] == 0.5
    assert told["gold"]["of_single_answers"]["rows"] == 8
    assert told["gold"]["of_single_answers"]["accuracy"]["value"] == 0.5
    assert told["votes"]["label"]["ties"] == 1
    assert told["classes"]["label"] == {"Billing": 1, "other": 1}


def test_votes_make_no_interval_narrower() -> None:
    """Ten answers that say the same are one row."""
    one, ten = tally(), tally()
    random = Random(1)
    for _ in range(50):
        gold = random.choice(["Billing", "other"])
        one.add(gold, [{"label": "other"}], is_new=True)
        ten.add(gold, [{"label": "other"}] * 10, is_new=True)
    assert one.as_json()["gold"]["accuracy"] == ten.as_json()["gold"]["accuracy"]


def test_stated_confidence_is_held_against_being_right() -> None:
    """Nine of ten that say 0.9 are right: nothing is off."""
    found = tally()
    for n in range(10):
        found.add(
            "other", [{"label": "Billing" if n == 0 else "other", "confidence": 0.9}], is_new=False
        )
    assert found.as_json()["confidence"]["expected_calibration_error"] == pytest.approx(0)
    assert any(line.startswith("confidence: off by") for line in found.lines())


def test_drift_is_of_new_labels_only() -> None:
    """A thousand old rows do not hide that the new ones are all different."""
    found = tally(then={"label": {"Billing": 100, "other": 100}})
    for n in range(1_000):
        found.add(None, [{"label": "Billing" if n % 2 else "other"}], is_new=False)
    assert found.drifts() == {}
    for _ in range(100):
        found.add(None, [{"label": "delivery"}], is_new=True)
    assert found.drifts()["label"].distance == 1
    assert found.as_json()["new_classes"] == {"label": {"delivery": 100}}
    assert any("100.0 % of labels moved" in line for line in found.lines())


def test_gold_that_is_no_choice_is_told_apart() -> None:
    """It is compared as it is, and no answer can be it."""
    gold = Gold.of(Labels.of(schema_of_fields("why text, label: a|b")), "truth")
    assert gold.field == "label"
    assert [gold.is_possible(gold.value(cell)) for cell in ("c", "A", "b")] == [False, True, True]
