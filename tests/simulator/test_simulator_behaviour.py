"""How the simulated model follows descriptions, uses an answer key and makes mistakes."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from batcher.simulator.model.answer_key import AnswerKey, KnownAnswer
from batcher.simulator.model.behaviour import Behaviour
from batcher.simulator.model.description_bounds import with_described_bounds
from batcher.simulator.model.seeded_random import SeededRandom

SECTION = {
    "type": "object",
    "required": ["label", "words"],
    "properties": {
        "label": {"enum": ["editors", "libs", "net", "oldlibs", "text"]},
        "words": {"type": "integer"},
    },
}


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("At least 0; at most 1", {"minimum": 0, "maximum": 1}),
        ("How sure (at least -1.5; less than 2e3)", {"minimum": -1.5, "exclusiveMaximum": 2000.0}),
        ("At least 2 characters; at most 5 characters", {"minLength": 2, "maxLength": 5}),
        ("at least 2 entries; no entry twice", {"minItems": 2, "uniqueItems": True}),
        ("A multiple of 5; more than 3", {"multipleOf": 5, "exclusiveMinimum": 3}),
        ("at least 2 keys", {}),
        ("Whatever you like", {}),
    ],
)
def test_bounds_are_read_from_descriptions(description: str, expected: dict[str, Any]) -> None:
    """The phrases that clients write for bounds become keywords."""
    schema = {"type": "x", "description": description}
    assert with_described_bounds(schema) == schema | expected


def test_careless_answers_ignore_descriptions() -> None:
    """At the careless rate, answers follow the schema but not the bounds in its descriptions."""
    number = {"type": "integer", "description": "At least 3; at most 4"}
    schema = {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": "array", "items": number}},
    }
    for rate, low, high in ((0.0, 0, 0), (0.3, 0.2, 0.4), (1.0, 0.9, 1.0)):
        behaviour, out_of_bounds = Behaviour(careless_rate=rate), 0
        for seed in range(600):
            values = behaviour.structured(schema, "", SeededRandom(seed))["a"]
            assert all(type(value) is int for value in values)
            out_of_bounds += any(value not in (3, 4) for value in values)
        # Three of four lists have items, and one of a hundred numbers is in bounds by chance.
        assert low * 600 * 0.7 <= out_of_bounds <= high * 600


def test_known_answers_are_right_at_the_right_rate_and_else_one_of_the_mistakes() -> None:
    """A wrong answer is one of the listed mistakes; one that is listed twice is twice as likely."""
    mistakes = ({"label": "oldlibs"}, {"label": "oldlibs"}, {"label": "net"})
    key = AnswerKey({"Package: libc6": KnownAnswer({"label": "libs"}, mistakes)})
    behaviour = Behaviour(right_rate=0.9, answer_key=key)
    answers = [
        behaviour.structured(SECTION, "Classify.\nPackage: libc6", SeededRandom(seed))
        for seed in range(3_000)
    ]
    labels = Counter(answer["label"] for answer in answers)
    assert labels.keys() == {"libs", "oldlibs", "net"}
    assert 0.88 <= labels["libs"] / 3_000 <= 0.92
    assert 1.5 <= labels["oldlibs"] / labels["net"] <= 2.7
    assert len({answer["words"] for answer in answers}) == 11, "unknown fields stay random"


def test_without_mistakes_a_wrong_answer_is_random() -> None:
    """It is never the right one, and can be any other."""
    key = AnswerKey({"Package: libc6": KnownAnswer({"label": "libs"})})
    behaviour = Behaviour(right_rate=0.0, answer_key=key)
    labels = {
        behaviour.structured(SECTION, "Package: libc6", SeededRandom(seed))["label"]
        for seed in range(200)
    }
    assert labels == {"editors", "net", "oldlibs", "text"}


def test_a_prompt_that_the_key_does_not_contain_gets_a_random_answer() -> None:
    """Only a whole line of the prompt counts."""
    key = AnswerKey({"Package: libc6": KnownAnswer({"label": "libs"})})
    assert key.find("Sort this.\nPackage: libc6\n") == KnownAnswer({"label": "libs"})
    assert key.find("Package: libc6-dev") is None
    assert AnswerKey().find("Package: libc6") is None


def test_an_answer_key_is_read_from_json_lines(tmp_path: Path) -> None:
    """Each line has the prompt line, the right fields and, if wanted, the mistakes."""
    path = tmp_path / "answers.jsonl"
    lines = [
        {"line": "Package: vim", "value": {"label": "editors"}, "mistakes": [{"label": "text"}]},
        {"line": "Package: curl", "value": {"label": "net"}},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert AnswerKey.read(path).answers == {
        "Package: vim": KnownAnswer({"label": "editors"}, ({"label": "text"},)),
        "Package: curl": KnownAnswer({"label": "net"}),
    }


@pytest.mark.parametrize(
    "text", ["{", "[]", "1", '{"line": "x"}', '{"line": "x", "value": 1}', '{"value": {}}', ""]
)
def test_a_wrong_line_of_an_answer_key_is_an_error_with_its_number(
    tmp_path: Path, text: str
) -> None:
    """The error names the file and the line, and shows the form of a line."""
    path = tmp_path / "answers.jsonl"
    path.write_text('{"line": "a", "value": {}}\n' + text + "\n")
    with pytest.raises(ValueError, match=r'answers\.jsonl, line 2: must look like \{"line"'):
        AnswerKey.read(path)
