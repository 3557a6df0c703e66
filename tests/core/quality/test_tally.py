"""Rows are what figures count, gold is read as answers are, and drift is of new labels only."""

import json
from datetime import UTC, date, datetime
from random import Random
from typing import Any

import pytest

from batcher.core.labels.labels import Labels
from batcher.core.labels.schema.fields import schema_of_fields
from batcher.core.quality.gold import STRANGER, Gold
from batcher.core.quality.tally import Tally
from batcher.core.quality.votes import NULL, Vote, said_of, vote

FIELDS = (
    "label: Billing|delivery|other, urgent bool, score float, confidence float, stars int, "
    "day? date, moment datetime, note text"
)


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
        ("stars", "1152921504606846977", 1152921504606846977),
        ("stars", 4.0, 4),
        ("day", date(2026, 1, 2), "2026-01-02"),
        ("day", datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02"),
        ("moment", datetime(2026, 1, 2, 8, tzinfo=UTC), "2026-01-02T09:00:00+01:00"),
        ("moment", "2026-01-02 08:00:00", "2026-01-02T08:00:00Z"),
    ],
)
def test_gold_is_read_as_answers_are(about: str, gold: object, answer: object) -> None:
    """Other capitals, values as texts, and times of other types or zones are the same label."""
    found = tally(about=about)
    found.add(gold, [{about: answer}], is_new=True)
    told = found.as_json()["gold"]
    assert told["rows"] == 1
    assert told.get("mean_absolute_error", 0) == 0
    assert "accuracy" not in told or told["accuracy"]["value"] == 1


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
    """It counts as wrong, under a name that is not the row's own."""
    found = tally()
    for gold in ("private words", "billing"):
        found.add(gold, [{"label": "Billing"}], is_new=True)
    told = found.as_json()["gold"]
    assert told["accuracy"]["value"] == 0.5
    assert [STRANGER, "Billing", 1] in told["confusion"]
    assert "private" not in json.dumps(found.as_json()) + "".join(found.lines())


def test_content_is_no_class() -> None:
    """Of a field of free text there is an accuracy, and nothing of what it says."""
    found = tally(about="note")
    for gold in ("private words", "secret words"):
        found.add(gold, [{"note": "private words"}], is_new=True)
    assert found.as_json()["gold"]["accuracy"]["value"] == 0.5
    told = json.dumps(found.as_json()) + "".join(found.lines())
    assert "private" not in told
    assert "secret" not in told


def test_whole_numbers_are_right_or_wrong_and_off() -> None:
    """How often, and by how much; which they were is content."""
    found = tally(about="stars")
    for gold, said in [(5, 5), (4, 2)]:
        found.add(gold, [{"stars": said}], is_new=True)
    told = found.as_json()["gold"]
    assert (told["accuracy"]["value"], told["mean_absolute_error"]) == (0.5, 1.0)
    assert [line.split()[0] for line in found.lines() if line[:1].strip()] == ["stars:", "stars:"]


def test_choices_of_numbers_and_numbers_for_choices() -> None:
    """Choices may look like numbers, and a column of numbers may stand for names."""
    labels = Labels.of(schema_of_fields("stars: 1|2|3"))
    gold = Gold.of(labels, "truth")
    assert [gold.value(cell) for cell in (2, 2.0, "3", 4)] == ["2", "2", "3", STRANGER]
    labels = Labels.of(schema_of_fields("animal: cat|dog"))
    gold = Gold.of(labels, "truth", classes=["Cat", "dog"])
    assert [gold.value(cell) for cell in (0, 1, -1, "dog")] == ["cat", "dog", None, "dog"]


def test_nothing_is_a_vote() -> None:
    """Four valid answers that leave a field empty outvote one that does not."""
    found = tally(about="day")
    answers = [*[{"label": "other", "day": None}] * 4, {"label": "other", "day": "2026-01-01"}]
    found.add(None, answers, is_new=True)
    assert vote([said_of(one, "day") for one in answers]) == Vote(NULL, 0.8, 5)
    assert vote([NULL, NULL, "x"]).value is None  # type: ignore[union-attr]
    assert found.as_json()["votes"]["day"]["mean_share"] == 0.8
