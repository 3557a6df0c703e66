"""Answers become valid values, or errors: in full for the model, without content for people."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from schema_cases import CASES

from batcher.core.answers.message import Message, parse_message
from batcher.core.labels.cell_values import cell
from batcher.core.labels.label_columns import ColumnType
from batcher.core.labels.labels import TOOL_NAME, Labels, choose_via
from batcher.core.labels.repair import repair_request
from batcher.core.labels.schema.format_checker import FORMAT_CHECKER
from batcher.core.labels.schema.structured_output import FORMATS
from batcher.core.labels.validation import AnswerValidator
from batcher.core.labels.value_in_answer import NoValueError, value_in, value_of
from batcher.core.labels.verdict import Invalid, Valid
from batcher.core.request.canonical import canonical_json
from batcher.simulator.billing.model_table import models
from batcher.simulator.validation.message import check_message


def message(*blocks: dict[str, Any]) -> Message:
    """Return a message of some content blocks."""
    body = {"type": "message", "role": "assistant", "id": "m", "content": list(blocks)}
    return parse_message(json.dumps({**body, "stop_reason": "end_turn"}).encode())


def text(content: str) -> dict[str, Any]:
    """Return a text block."""
    return {"type": "text", "text": content}


CALL = {"type": "tool_use", "id": "toolu_1", "name": TOOL_NAME, "input": {"a": 1}}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s"}


@pytest.mark.parametrize(
    "answer",
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
def test_the_object_is_found_in_a_text(answer: str) -> None:
    """It may be the whole answer, in a code fence (first choice), or after prose with braces."""
    assert value_in(answer) == {"a": 1}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "empty"),
        ("no", "no JSON object"),
        ("{", "no JSON object"),
        ('{"a": NaN}', "a number that JSON does not have"),
        ('{"a": 1e999}', "too large"),
        ('{"a": ' + "9" * 5_000 + "}", "too large"),
        ('So: {"a": -Infinity, "b": {"c": 1}}', "a number that JSON does not have"),
        ('{"a": 1, "a": 2}', "the same key twice"),
        ('{"a": {"b": 1}, "c": ', "incomplete"),
        ("```json\n{'a': 1}\n```", "no JSON object"),
        ('{"a":' * 100_000, "too deep"),
        ("{" * 100_000, "no JSON object"),
    ],
)
def test_answers_without_a_value_are_refused(answer: str, reason: str) -> None:
    """A part of an object, values that JSON does not have and repeated keys give no value."""
    with pytest.raises(NoValueError, match=reason):
        value_in(answer)


def test_integers_are_exact() -> None:
    """Integers of any size stay integers; other numbers are floats."""
    value = value_in('{"a": 12345678901234567890, "b": 1.0, "c": 1e2}')
    assert [(type(number), number) for number in value.values()] == [
        (int, 12345678901234567890), (float, 1.0), (float, 100.0)
    ]  # fmt: skip


def test_a_tool_call_is_used_before_text() -> None:
    """Text beside a tool call is not the answer."""
    assert value_of(message(text('{"a": 2}'), CALL)) == {"a": 1}


@pytest.mark.parametrize("name", CASES)
def test_wrong_values_are_invalid(name: str) -> None:
    """Values that the API would allow are invalid too."""
    validator = AnswerValidator(CASES[name].schema)
    for wrong in CASES[name].wrong:
        result = validator.validate(wrong)
        assert isinstance(result, Invalid), wrong
        assert result.complaint.startswith("- ")


SECRET = "secret words"


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
def test_the_reason_does_not_quote_the_answer(schema: Any, value: Any) -> None:
    """For any rule and place, it quotes neither values nor keys."""
    validator = AnswerValidator(
        {"properties": {"x": schema, "y": {"type": "string", "maxLength": 1}}}
    )
    for answer in ({"x": value}, {"x": value, "y": SECRET}):
        result = validator.validate(answer)
        if isinstance(result, Invalid):
            assert SECRET not in result.reason
            assert SECRET not in repr(result)


def test_complaints_have_place_rule_and_value() -> None:
    """There is a line for each rule, sorted by place; the reason is the same for all rows."""
    schema = {
        "required": ["label", "why"],
        "properties": {
            "label": {"enum": ["a", "b"]},
            "score": {"type": "number", "maximum": 1},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "additionalProperties": False,
    }
    answer = {"label": "c", "score": 3, "tags": ["x", 5, None], "more": 1}
    result = AnswerValidator(schema).validate(answer)
    assert isinstance(result, Invalid)
    assert result.complaint.splitlines() == [
        "- the answer: is missing why",
        "- the answer: has keys that are not in the schema: more",
        '- label: one of ["a", "b"]; it is "c"',
        "- score: at most 1; it is 3",
        "- tags[1]: of type string; it is 5",
        "- tags[2]: of type string; it is null",
    ]
    assert result.reason == (
        "the answer: is missing why; the answer: has keys that are not in the schema; "
        "label: not one of the 2 choices; score: at most 1; tags[]: of type string"
    )


def test_complaints_are_short() -> None:
    """For any answer: the complaint is billed as input."""
    items = {"type": "array", "items": {"type": "integer"}}
    result = AnswerValidator({"properties": {"x": items}}).validate({"x": ["y" * 1_000] * 1_000})
    assert isinstance(result, Invalid)
    assert len(result.complaint) < 1_500
    assert len(result.reason) < 1_500


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
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
def test_choices_are_spelt_as_in_the_schema(schema: Any, value: Any, expected: Any) -> None:
    """A choice is changed when exactly one matches and is valid; free texts stay unchanged."""
    root = {"properties": {"x": schema}, "$defs": {"choice": {"enum": ["A", "B"]}}}
    result = AnswerValidator(root).validate({"x": value})
    if expected is None:
        assert isinstance(result, Invalid)
    else:
        assert result == Valid({"x": expected})


@pytest.mark.parametrize(
    ("schema", "value", "reason"),
    [
        ({"type": "array", "items": {"type": "integer"}}, [1, 2**63], "x[]: must be an integer of"),
        ({"type": "integer"}, 1e300, "x: must be an integer of"),
        ({"type": "number"}, 10**400, "x: must be a number of"),
        ({"minimum": 0}, "many", "x: must be a number of"),
        ({"properties": {"a": {"type": "string"}}}, "b", "x: must be an object"),
        ({"items": {"type": "string"}}, "b", "x: must be a list"),
        ({"type": "string"}, "\ud800", "x: must be text without"),
        ({"type": "object"}, {"a": "\ud800"}, "x: must be text without"),
        ({"type": "string", "format": "date-time"}, "0001-01-01T00:00:00+23:00", "x: must be a ti"),
    ],
)
def test_values_that_no_column_can_hold_are_invalid(schema: Any, value: Any, reason: str) -> None:
    """The schema allows them, but the output could not be written."""
    result = AnswerValidator({"properties": {"x": schema}}).validate({"x": value})
    assert isinstance(result, Invalid)
    assert result.reason.startswith(reason)


def test_integers_beyond_64_bits_are_numbers() -> None:
    """They are valid where the schema asks for a number."""
    result = AnswerValidator({"properties": {"x": {"type": "number"}}}).validate({"x": 2**70})
    assert result == Valid({"x": 2**70})


def test_validation_never_raises() -> None:
    """Values that are not objects, and deeply nested values, are invalid."""
    validator = AnswerValidator({"properties": {"x": {"enum": ["a"]}}})
    deep: Any = "a"
    for _ in range(900):
        deep = [deep]
    for value in (None, [], "a", 1, {"x": deep}):
        assert isinstance(validator.validate(value), Invalid)


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
    """Texts conform or not; values of other types always conform."""
    assert [text for text in good if not FORMAT_CHECKER.conforms(text, name)] == []
    assert [text for text in bad if FORMAT_CHECKER.conforms(text, name)] == []
    assert FORMAT_CHECKER.conforms(5, name)


@pytest.mark.parametrize(
    ("via", "model", "expected"),
    [
        ("auto", "claude-haiku-5-5", "format"),
        ("auto", "qwen3-8b", "text"),
        ("tool", "claude-haiku-5-5", "tool"),
        ("format", "qwen3-8b", "format"),
    ],
)
def test_via_is_set_by_the_job_or_the_model(via: Any, model: str, expected: str) -> None:
    """Models of other makers may have no structured output."""
    assert choose_via(via, model) == expected


def is_valid(schema: dict[str, Any], value: Any) -> bool:
    """Whether a value is valid for a property."""
    validator = AnswerValidator({"type": "object", "properties": {"x": schema}})
    return isinstance(validator.validate({"x": value}), Valid)


@pytest.mark.parametrize(
    ("divisor", "value", "expected"),
    [
        (0.01, 19.99, True), (0.01, 0.57, True), (0.01, 4.35, True), (0.01, 1.005, False),
        (0.5, 10**400, False), (5, 15, True), (5, 15.0, True), (5, 7, False), (1e-9, 1e-8, True),
    ],
)  # fmt: skip
def test_multiples_are_decimal(divisor: float, value: Any, expected: bool) -> None:
    """A price in cents is a multiple of 0.01; a number too large for a column is invalid."""
    assert is_valid({"type": "number", "multipleOf": divisor}, value) is expected


@pytest.mark.parametrize(
    ("entries", "expected"),
    [([1, 1.0], False), ([1, True], True), (["a", "A"], True), ([{"a": 1}, {"a": 1.0}], False)],
)
def test_unique_entries(entries: list[Any], expected: bool) -> None:
    """1.0 equals 1, and true does not; a long list is checked in linear time."""
    schema = {"type": "array", "items": True, "uniqueItems": True}
    assert is_valid({**schema, "prefixItems": [{}]}, entries) is expected
    assert is_valid({**schema, "prefixItems": [{}]}, [{"n": n} for n in range(20_000)])


def test_many_errors_give_a_short_complaint() -> None:
    """It has at most ten lines for 20,000 errors."""
    validator = AnswerValidator(
        {"type": "object", "properties": {"x": {"type": "array", "items": {"enum": ["a", "b"]}}}}
    )
    result = validator.validate({"x": ["wrong"] * 20_000})
    assert isinstance(result, Invalid)
    assert result.complaint.count("\n") < 10


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', '{"\\ud800": 1}', "\ud800"])
def test_an_answer_that_cannot_be_sent_is_repaired(text: str) -> None:
    """The repair of an answer with a lone surrogate is a request that can be sent."""
    closed = {"properties": {"a": {"enum": ["x", "y"]}}, "additionalProperties": False}
    labels = Labels.of(closed)
    content = [{"type": "text", "text": text}]
    body = {"id": "m", "type": "message", "model": "m", "stop_reason": "end_turn", "usage": {}}
    message = parse_message(json.dumps({**body, "role": "assistant", "content": content}).encode())
    result = labels.validate(message)
    assert isinstance(result, Invalid)
    assert b"does not fit" in canonical_json(repair_request(FIELDS, message, result.complaint))


def test_every_format_that_the_api_enforces_is_checked() -> None:
    """Others are not checked, and a remark says so."""
    assert set(FORMAT_CHECKER.checkers) == FORMATS


def test_cells() -> None:
    """Dates and times become values, times in UTC; values of mixed types become JSON text."""
    assert cell("2026-11-26", ColumnType("date")) == date(2026, 11, 26)
    moment = cell("2026-11-26t10:00:00.5+02:00", ColumnType("timestamp"))
    assert moment == datetime(2026, 11, 26, 8, 0, 0, 500_000, tzinfo=UTC)
    assert cell({"b": [1, "ü"]}, ColumnType("json")) == '{"b": [1, "ü"]}'
    assert cell(3, ColumnType("double")) == 3.0
    integer = cell(3.0, ColumnType("int64"))
    assert (type(integer), integer) == (int, 3)
    assert cell(None, ColumnType("json")) is None


LABELS = Labels.of({"properties": {"a": {"type": "integer"}}}, "tool")
FIELDS = {
    "model": "claude-sonnet-4-5-20250929",
    "max_tokens": 3_000,
    "messages": [{"role": "user", "content": "Which?"}],
}
MANUAL_THINKING = {"thinking": {"type": "enabled", "budget_tokens": 2_000}}


@pytest.mark.parametrize(
    ("blocks", "fields", "answer"),
    [
        ([THOUGHT, text("b")], {}, "b"),
        ([THOUGHT, text("b")], MANUAL_THINKING, "b"),
        ([THOUGHT], {}, "(no answer)"),
        ([text("\n")], {}, "(no answer)"),
        ([THOUGHT, text("So:"), CALL], {}, [CALL]),
        ([THOUGHT, CALL], MANUAL_THINKING, '{"a": 1}'),
    ],
)
def test_a_repair_has_the_conversation_and_the_complaint(
    blocks: list[dict[str, Any]], fields: dict[str, Any], answer: Any
) -> None:
    """Thinking is left out, a tool call gets a result, and the simulator accepts the request."""
    request = {**FIELDS, **fields, **LABELS.request_fields({})}
    repair = repair_request(request, message(*blocks), "- a: is missing b")
    first, second, third = repair["messages"]
    assert first == FIELDS["messages"][0]
    assert second == {"role": "assistant", "content": answer}
    assert third["role"] == "user"
    assert "- a: is missing b" in json.dumps(third["content"])
    assert {**repair, "messages": request["messages"]} == request
    check_message(repair, "2026-10-21", frozenset(), models().__getitem__)


_NULLABLE = {
    "required": ["label", "due", "kind", "any", "text"],
    "properties": {
        "label": {"enum": ["a", "b"]},
        "due": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        "kind": {"enum": ["x", None]},
        "any": {},
        "text": {"type": "string"},
        "why": {"type": "string"},
        "maybe": {"type": ["integer", "null"]},
        "deep": {
            "type": "object",
            "required": ["x"],
            "properties": {"x": {"$ref": "#/$defs/x"}, "y": {"type": "string"}},
        },
    },
    "$defs": {"x": {"type": ["number", "null"]}},
}
_FULL = {"label": "a", "due": None, "kind": None, "any": 1, "text": "t"}


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ({"label": "a", "any": 1, "text": "t"}, _FULL),
        ({"label": "A", "any": 1, "text": "t", "why": None}, _FULL),
        ({**_FULL, "why": None, "maybe": None}, {**_FULL, "maybe": None}),
        ({**_FULL, "deep": {"y": None}}, {**_FULL, "deep": {"x": None}}),
        ({**_FULL, "deep": None}, _FULL),
        ({**_FULL, "more": None}, {**_FULL, "more": None}),
    ],
)
def test_a_missing_key_and_null_are_the_same(answer: Any, value: Any) -> None:
    """Where a key may be null it may be missing, and where it may be missing it may be null."""
    result = AnswerValidator(_NULLABLE).validate(answer)
    assert isinstance(result, Valid)
    assert result.value == value


@pytest.mark.parametrize("name", ["label", "any", "text"])
def test_a_key_that_is_needed_stays_missing(name: str) -> None:
    """A key whose schema does not name null has to be there."""
    answer = {key: value for key, value in _FULL.items() if key != name}
    result = AnswerValidator(_NULLABLE).validate(answer)
    assert isinstance(result, Invalid)
    assert f"is missing {name}" in result.reason
