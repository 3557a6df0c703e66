"""Answers become checked values, or complaints: in full for the model, without content for logs."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from schemas_made import CASES

from batcher.core.answers.message import Message, parse_message
from batcher.core.labels.cell_values import cell
from batcher.core.labels.label_columns import ColumnType
from batcher.core.labels.labels import TOOL_NAME, Labels, way_of
from batcher.core.labels.repair import repaired
from batcher.core.labels.schema.formats import FORMAT_CHECKER
from batcher.core.labels.schema.structured_output import FORMATS
from batcher.core.labels.validation import Invalid, Judge, Valid
from batcher.core.labels.value_in_answer import NoValueError, value_in, value_of
from batcher.core.request.canonical import canonical_json
from batcher.simulator.billing.model_table import models
from batcher.simulator.validation.message import check_message


def message(*blocks: dict[str, Any]) -> Message:
    """A message of some blocks."""
    body = {"type": "message", "role": "assistant", "id": "m", "content": list(blocks)}
    return parse_message(json.dumps({**body, "stop_reason": "end_turn"}).encode())


def text(said: str) -> dict[str, Any]:
    """A block of text."""
    return {"type": "text", "text": said}


CALL = {"type": "tool_use", "id": "toolu_1", "name": TOOL_NAME, "input": {"a": 1}}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s"}


@pytest.mark.parametrize(
    "said",
    [
        '{"a": 1}',
        ' {"a": 1}\n',
        '\ufeff{"a": 1}',
        'Here it is:\n```json\n{"a": 1}\n```\nDone.',
        'Such as {"b": 2}:\n```\n{"a": 1}\n```',
        'So {x} and { y }: {"a": 1} or {"b": 2}',
        '{"a": 1}\n\nI hope that helps.',
    ],
)
def test_the_object_is_found_in_a_text(said: str) -> None:
    """As the whole answer, in a code fence first, after prose with braces."""
    assert value_in(said) == {"a": 1}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "empty"),
        ("no", "no JSON object"),
        ("{", "no JSON object"),
        ('{"a": NaN}', "a number that JSON does not have"),
        ('{"a": 1e999}', "too large"),
        ('{"a": ' + "9" * 5_000 + "}", "too large"),
        ('So: {"a": -Infinity, "b": {"c": 1}}', "a number that JSON does not have"),
        ('{"a": 1, "a": 2}', "the same key twice"),
        ('{"a": {"b": 1}, "c": ', "not whole"),
        ("```json\n{'a': 1}\n```", "no JSON object"),
        ('{"a":' * 100_000, "too deep"),
        ("{" * 100_000, "no JSON object"),
    ],
)
def test_no_value_is_made_up(said: str, why: str) -> None:
    """Not from a part of an object, from what JSON has not, or from one of two."""
    with pytest.raises(NoValueError, match=why):
        value_in(said)


def test_numbers_are_as_they_were_written() -> None:
    """Integers of any size stay integers, and are exact; others are floats."""
    found = value_in('{"a": 12345678901234567890, "b": 1.0, "c": 1e2}')
    assert [(type(one), one) for one in found.values()] == [
        (int, 12345678901234567890), (float, 1.0), (float, 100.0)
    ]  # fmt: skip


def test_a_tool_counts_before_the_text() -> None:
    """What was said besides the call is no answer."""
    assert value_of(message(text('{"a": 2}'), CALL)) == {"a": 1}


@pytest.mark.parametrize("name", CASES)
def test_wrong_values_are_found(name: str) -> None:
    """Also those that the API would let through; the reason has nothing of them."""
    judge = Judge(CASES[name].schema)
    for wrong in CASES[name].wrong:
        found = judge.judge(wrong)
        assert isinstance(found, Invalid), wrong
        assert found.complaint.startswith("- ")


SECRET = "tell nobody"


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": ["a", "b"]},
        {"const": "a"},
        {"type": "integer"},
        {"type": "string", "maxLength": 3},
        {"type": "string", "pattern": "^a$"},
        {"type": "string", "format": "date"},
        {"anyOf": [{"type": "integer"}, {"enum": ["a"]}]},
        {"oneOf": [{"type": "string"}, {"maxLength": 20}]},
        {"type": "string", "not": {"minLength": 2}},
        {"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": False},
        {"type": "object", "patternProperties": {"": {"type": "null"}}},
        {"type": "object", "propertyNames": {"maxLength": 2}},
        {"type": "object", "properties": {"b": {}}, "required": ["b"], "maxProperties": 0},
        {"type": "array", "items": {"maxLength": 1}},
        {"type": "array", "uniqueItems": True},
        {"type": "array", "contains": {"type": "null"}},
        {"properties": {"b": {"type": "string"}}},
        False,
    ],
)
@pytest.mark.parametrize("value", [SECRET, {SECRET: SECRET}, [SECRET, SECRET], {"b": [SECRET]}])
def test_the_reason_has_nothing_of_the_answer(schema: Any, value: Any) -> None:
    """Whatever rule is broken, and wherever: in values, in keys, in the place."""
    judge = Judge({"properties": {"x": schema, "y": {"type": "string", "maxLength": 1}}})
    for answer in ({"x": value}, {"x": value, "y": SECRET}):
        found = judge.judge(answer)
        if isinstance(found, Invalid):
            assert SECRET not in found.reason
            assert SECRET not in repr(found)


def test_complaints_say_where_what_and_what_is_there() -> None:
    """A line for each rule, sorted by place; the reason says the same of all rows."""
    schema = {
        "required": ["label", "why"],
        "properties": {
            "label": {"enum": ["a", "b"]},
            "score": {"type": "number", "maximum": 1},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "additionalProperties": False,
    }
    found = Judge(schema).judge({"label": "c", "score": 3, "tags": ["x", 5, None], "more": 1})
    assert isinstance(found, Invalid)
    assert found.complaint.splitlines() == [
        "- the answer: lacks why",
        "- the answer: has keys that the schema does not know: more",
        '- label: one of ["a", "b"]; it is "c"',
        "- score: at most 1; it is 3",
        "- tags[1]: of type string; it is 5",
        "- tags[2]: of type string; it is null",
    ]
    assert found.reason == (
        "the answer: lacks why; the answer: has keys that the schema does not know; "
        "label: none of the 2 choices; score: at most 1; tags[]: of type string"
    )


def test_complaints_are_short() -> None:
    """Whatever an answer holds: it is paid for again."""
    items = {"type": "array", "items": {"type": "integer"}}
    found = Judge({"properties": {"x": items}}).judge({"x": ["y" * 1_000] * 1_000})
    assert isinstance(found, Invalid)
    assert len(found.complaint) < 1_500
    assert len(found.reason) < 1_500


@pytest.mark.parametrize(
    ("schema", "said", "wanted"),
    [
        ({"enum": ["billing", "IT", "it"]}, "Billing", "billing"),
        ({"enum": ["billing", "IT", "it"]}, "  BILLING ", "billing"),
        ({"enum": ["billing", "IT", "it"]}, "it", "it"),
        ({"enum": ["billing", "IT", "it"]}, "It", None),
        ({"const": "Straße"}, "STRASSE", "Straße"),
        ({"enum": ["Yes", 1, None]}, "yes", "Yes"),
        ({"enum": ["1"]}, 1, None),
        ({"enum": [True]}, 1, None),
        ({"anyOf": [{"enum": ["A"]}, {"type": "null"}]}, "a", "A"),
        ({"anyOf": [{"enum": ["A"]}, {"type": "string"}]}, "a", "a"),
        ({"anyOf": [{"enum": ["A"]}, {"enum": ["a"]}]}, "a", "a"),
        ({"$ref": "#/$defs/choice"}, "b", "B"),
        ({"allOf": [{"$ref": "#/$defs/choice"}, {"minLength": 1}]}, "b", "B"),
        ({"type": "array", "items": {"$ref": "#/$defs/choice"}}, ["b", "B"], ["B", "B"]),
        ({"type": "array", "prefixItems": [{}, {"const": "Z"}]}, ["z", "z"], ["z", "Z"]),
        ({"type": "object", "additionalProperties": {"enum": ["A"]}}, {"k": "a"}, {"k": "A"}),
        ({"enum": [{"a": "X"}]}, {"a": "x"}, {"a": "X"}),
        (
            {
                "oneOf": [
                    {"properties": {"k": {"const": "One"}, "v": {"enum": ["X"]}}},
                    {"properties": {"k": {"const": "Two"}, "v": {"enum": ["x"]}}},
                ]
            },
            {"k": "two", "v": "X"},
            {"k": "Two", "v": "x"},
        ),
    ],
)
def test_choices_are_spelt_as_in_the_schema(schema: Any, said: Any, wanted: Any) -> None:
    """Where only one can be meant and it fits; free texts stay as they are."""
    root = {"properties": {"x": schema}, "$defs": {"choice": {"enum": ["A", "B"]}}}
    found = Judge(root).judge({"x": said})
    assert isinstance(found, Invalid) if wanted is None else found == Valid({"x": wanted})


@pytest.mark.parametrize(
    ("schema", "value", "reason"),
    [
        ({"type": "array", "items": {"type": "integer"}}, [1, 2**63], "x[]: must be an integer of"),
        ({"type": "integer"}, 1e300, "x: must be an integer of"),
        ({"type": "number"}, 10**400, "x: must be a number of"),
        ({"minimum": 0}, "many", "x: must be a number of"),
        ({"properties": {"a": {"type": "string"}}}, "b", "x: must be an object"),
        ({"items": {"type": "string"}}, "b", "x: must be a list"),
        ({"type": "string"}, "\ud800", "x: must be a text of whole"),
        ({"type": "object"}, {"a": "\ud800"}, "x: must be a text of whole"),
        ({"type": "string", "format": "date-time"}, "0001-01-01T00:00:00+23:00", "x: must be a ti"),
    ],
)
def test_what_no_column_can_hold_is_invalid(schema: Any, value: Any, reason: str) -> None:
    """Though the schema lets it through: better asked again than an output that is not written."""
    found = Judge({"properties": {"x": schema}}).judge({"x": value})
    assert isinstance(found, Invalid)
    assert found.reason.startswith(reason)


def test_integers_beyond_64_bits_are_numbers() -> None:
    """Where the schema asks for a number only."""
    found = Judge({"properties": {"x": {"type": "number"}}}).judge({"x": 2**70})
    assert found == Valid({"x": 2**70})


def test_judging_never_raises() -> None:
    """No object, and what is nested as deep as JSON is read."""
    judge = Judge({"properties": {"x": {"enum": ["a"]}}})
    deep: Any = "a"
    for _ in range(900):
        deep = [deep]
    for value in (None, [], "a", 1, {"x": deep}):
        assert isinstance(judge.judge(value), Invalid)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "date",
            ["2024-02-29"],
            ["2026-02-29", "2026-2-1", "20260201", "٢٠٢٦-01-01", "2026-01-01\n"],
        ),
        (
            "date-time",
            ["2026-11-26T10:00:00Z", "2026-11-26t10:00:00.123456789z", "2026-11-26T10:00:00+02:00"],
            ["2026-11-26T10:00:00", "2026-11-26", "2026-W01-1T00:00:00Z", "2026-11-26T24:00:00Z"],
        ),
        ("time", ["10:00:00", "10:00:00.5Z"], ["10", "25:00:00", "10:00"]),
        ("duration", ["P1D", "PT1H30M", "P1Y2M"], ["P", "PT", "1D"]),
        ("email", ["a@b.c", "a.b+c@d"], ["a", "a@b@c", "a b@c"]),
        ("hostname", ["a.example", "a-b"], ["-a", "a..b", "a" * 64, ".".join(["a" * 50] * 6)]),
        ("uri", ["https://example.com/x?y#z", "urn:a:b"], ["example.com/x", "http://a b"]),
        ("uuid", ["12345678-1234-1234-1234-123456789abc"], ["12345678123412341234123456789abc"]),
        ("ipv4", ["127.0.0.1"], ["127.0.0", "256.0.0.1", "01.0.0.1"]),
        ("ipv6", ["::1", "2001:db8::"], ["::1%eth0", "1", ":::"]),
    ],
)
def test_formats(name: str, good: list[str], bad: list[str]) -> None:
    """Texts in a format and not; what is no text is in any."""
    assert [one for one in good if not FORMAT_CHECKER.conforms(one, name)] == []
    assert [one for one in bad if FORMAT_CHECKER.conforms(one, name)] == []
    assert FORMAT_CHECKER.conforms(5, name)


@pytest.mark.parametrize(
    ("said", "model", "way"),
    [
        ("auto", "claude-haiku-5-5", "format"),
        ("auto", "qwen3-8b", "text"),
        ("tool", "claude-haiku-5-5", "tool"),
        ("format", "qwen3-8b", "format"),
    ],
)
def test_the_way_is_the_jobs_or_the_models(said: Any, model: str, way: str) -> None:
    """Models of others have no structured output that anybody promised."""
    assert way_of(said, model) == way


def judged(schema: dict[str, Any], value: Any) -> bool:
    """Whether one value is right for a property."""
    judge = Judge({"type": "object", "properties": {"x": schema}})
    return isinstance(judge.judge({"x": value}), Valid)


@pytest.mark.parametrize(
    ("divisor", "value", "is_right"),
    [
        (0.01, 19.99, True), (0.01, 0.57, True), (0.01, 4.35, True), (0.01, 1.005, False),
        (0.5, 10**400, False), (5, 15, True), (5, 15.0, True), (5, 7, False), (1e-9, 1e-8, True),
    ],
)  # fmt: skip
def test_multiples_are_as_they_are_written(divisor: float, value: Any, is_right: bool) -> None:
    """A price in cents is one; a number too large for a column is none, and no crash."""
    assert judged({"type": "number", "multipleOf": divisor}, value) is is_right


@pytest.mark.parametrize(
    ("entries", "is_right"),
    [([1, 1.0], False), ([1, True], True), (["a", "A"], True), ([{"a": 1}, {"a": 1.0}], False)],
)
def test_no_entry_twice(entries: list[Any], is_right: bool) -> None:
    """1.0 is 1, and true is not; a long list takes one look at each entry."""
    schema = {"type": "array", "items": True, "uniqueItems": True}
    assert judged({**schema, "prefixItems": [{}]}, entries) is is_right
    assert judged({**schema, "prefixItems": [{}]}, [{"n": n} for n in range(20_000)])


def test_many_mistakes_make_a_short_complaint() -> None:
    """However much is wrong."""
    judge = Judge(
        {"type": "object", "properties": {"x": {"type": "array", "items": {"enum": ["a", "b"]}}}}
    )
    found = judge.judge({"x": ["wrong"] * 20_000})
    assert isinstance(found, Invalid)
    assert found.complaint.count("\n") < 10


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', '{"\\ud800": 1}', "\ud800"])
def test_what_cannot_be_sent_is_asked_again(text: str) -> None:
    """A lone surrogate in an answer ends in a request that can be sent, and not in a crash."""
    closed = {"properties": {"a": {"enum": ["x", "y"]}}, "additionalProperties": False}
    labels = Labels.of(closed)
    content = [{"type": "text", "text": text}]
    body = {"id": "m", "type": "message", "model": "m", "stop_reason": "end_turn", "usage": {}}
    message = parse_message(json.dumps({**body, "role": "assistant", "content": content}).encode())
    found = labels.judged(message)
    assert isinstance(found, Invalid)
    assert b"does not fit" in canonical_json(repaired(FIELDS, message, found.complaint))


def test_every_format_that_the_api_holds_to_is_checked() -> None:
    """And no other: of those it is said that nobody checks them."""
    assert set(FORMAT_CHECKER.checkers) == FORMATS


def test_cells() -> None:
    """Dates and times are values, times in UTC; what has no one kind is JSON text."""
    assert cell("2026-11-26", ColumnType("date")) == date(2026, 11, 26)
    moment = cell("2026-11-26t10:00:00.5+02:00", ColumnType("timestamp"))
    assert moment == datetime(2026, 11, 26, 8, 0, 0, 500_000, tzinfo=UTC)
    assert cell({"b": [1, "ü"]}, ColumnType("json")) == '{"b": [1, "ü"]}'
    assert cell(3, ColumnType("double")) == 3.0
    one = cell(3.0, ColumnType("int64"))
    assert (type(one), one) == (int, 3)
    assert cell(None, ColumnType("json")) is None


LABELS = Labels.of({"properties": {"a": {"type": "integer"}}}, "tool")
FIELDS = {
    "model": "claude-sonnet-4-5-20250929",
    "max_tokens": 3_000,
    "messages": [{"role": "user", "content": "Which?"}],
}
BY_HAND = {"thinking": {"type": "enabled", "budget_tokens": 2_000}}


@pytest.mark.parametrize(
    ("blocks", "fields", "answer"),
    [
        ([THOUGHT, text("b")], {}, "b"),
        ([THOUGHT, text("b")], BY_HAND, "b"),
        ([THOUGHT], {}, "(no answer)"),
        ([text("\n")], {}, "(no answer)"),
        ([THOUGHT, text("So:"), CALL], {}, [CALL]),
        ([THOUGHT, CALL], BY_HAND, '{"a": 1}'),
    ],
)
def test_a_repair_is_the_conversation_and_the_complaint(
    blocks: list[dict[str, Any]], fields: dict[str, Any], answer: Any
) -> None:
    """Without thinking; a call is answered by its result; the simulator takes all of it."""
    asked = {**FIELDS, **fields, **LABELS.asked({})}
    found = repaired(asked, message(*blocks), "- a: lacks b")
    first, second, third = found["messages"]
    assert first == FIELDS["messages"][0]
    assert second == {"role": "assistant", "content": answer}
    assert third["role"] == "user"
    assert "- a: lacks b" in json.dumps(third["content"])
    assert {**found, "messages": asked["messages"]} == asked
    check_message(found, "2026-10-21", frozenset(), models().__getitem__)
