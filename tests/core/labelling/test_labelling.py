"""Schemas become what the API takes, answers become checked values, and columns are stable."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schemas_of_labels import CASES

from batcher.core.answers.message import parse_message
from batcher.core.labelling.adapt import adapt
from batcher.core.labelling.answer import NoValueError, value_of
from batcher.core.labelling.columns import ColumnType, cell, columns_of
from batcher.core.labelling.fields import FieldsError, schema_of_fields
from batcher.core.labelling.judge import Invalid, Judge, Valid
from batcher.core.labelling.labels import Labels
from batcher.core.labelling.references import SchemaError
from batcher.core.request.refusals import refusals
from batcher.simulator.answering.dice import Dice
from batcher.simulator.answering.structure import value as simulated
from batcher.simulator.validation.schema import check_schemas


def named(column: ColumnType) -> str:
    """A column's type in a word."""
    if column.kind == "list" and column.item is not None:
        return f"list<{named(column.item)}>"
    if column.kind == "struct":
        return f"struct<{','.join(f'{name}:{named(inner)}' for name, inner in column.fields)}>"
    return column.kind


@pytest.mark.parametrize("name", CASES)
def test_columns_follow_from_the_schema(name: str) -> None:
    """Each of thirty shapes has its types, before any answer is there."""
    case = CASES[name]
    found = columns_of(case.schema)
    assert {key: named(column) for key, column in found.items()} == case.columns


@pytest.mark.parametrize("name", CASES)
def test_the_api_takes_every_adapted_schema(name: str) -> None:
    """Neither what we know to be refused nor the simulator's validation finds anything."""
    adapted = adapt(CASES[name].schema)
    check_schemas([("schema", dict(adapted.schema))])
    body = {"output_config": {"format": {"type": "json_schema", "schema": adapted.schema}}}
    found = refusals(body, None, "2026-10-21", today=date(2026, 11, 26))
    assert [one.message for one in found if one.severity == "error"] == []


@pytest.mark.parametrize("name", CASES)
def test_adapting_twice_changes_nothing_more(name: str) -> None:
    """What the API takes needs no second change."""
    once = adapt(CASES[name].schema).schema
    assert adapt(once).schema == once


@pytest.mark.parametrize("name", CASES)
def test_wrong_values_are_found(name: str) -> None:
    """Also those that the API would let through; the reason quotes nothing of them."""
    case = CASES[name]
    for wrong in case.wrong:
        found = Judge(case.schema).judge(wrong)
        assert isinstance(found, Invalid), wrong
        for value in wrong.values():
            if isinstance(value, str) and len(value) > 2:
                assert value not in found.reason


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_what_a_model_may_answer_is_judged_and_fills_its_columns(name: str, seed: int) -> None:
    """Answers by the adapted schema: the valid ones have cells of their columns' kinds."""
    labels = Labels.of(CASES[name].schema)
    found = labels.judge.judge(simulated(dict(labels.adapted.schema), Dice(seed)))
    if isinstance(found, Valid):
        for key, column in labels.columns.items():
            assert fits(cell(found.value.get(key), column), column)


def fits(value: Any, column: ColumnType) -> bool:
    """Whether a cell is of its column's kind."""
    if value is None:
        return True
    if column.kind == "list":
        assert column.item is not None
        return all(fits(one, column.item) for one in value)
    if column.kind == "struct":
        return all(fits(value[name], inner) for name, inner in column.fields)
    kinds = {"boolean": bool, "int64": int, "double": float, "date": date, "timestamp": datetime}
    return isinstance(value, kinds.get(column.kind, str))


def test_what_is_left_to_us_is_said_to_the_model_and_to_people() -> None:
    """A bound the API refuses stands in the description, and in the list for check."""
    adapted = adapt(CASES["bounds"].schema)
    assert adapted.left_to_us == ("n: at least 0", "n: at most 1")
    assert adapted.schema["properties"]["n"]["description"] == "At least 0; at most 1"
    assert adapt(CASES["one label"].schema).left_to_us == ()


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("Billing", "billing"), ("  BILLING ", "billing"), ("billing", "billing"), ("It", None)],
)
def test_capitals_of_choices_are_the_schemas(said: str, wanted: str | None) -> None:
    """Where only one choice can be meant; two that differ in capitals are left as they are."""
    schema = {"type": "object", "properties": {"a": {"enum": ["billing", "IT", "it"]}}}
    found = Judge(schema).judge({"a": said})
    assert isinstance(found, Invalid) if wanted is None else found == Valid({"a": wanted})


def test_an_integer_that_no_column_holds_is_invalid() -> None:
    """Beyond 64 bits, wherever it is."""
    items = {"type": "array", "items": {"type": "integer"}}
    found = Judge({"type": "object", "properties": {"a": items}}).judge({"a": [1, 2**63]})
    assert isinstance(found, Invalid)
    assert found.reason == "a[1]: an integer beyond 64 bits"


MANY = {f"p{n}": {"type": ["string", "null"]} for n in range(25)}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "array", "items": {"type": "string"}},
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "properties": {"a": {"type": "nothing"}}},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/gone"}}},
        {"type": "object", "properties": {"a": {"$ref": "https://example.com/x"}}},
        {"type": "object", "properties": {"a": {"$ref": "#"}}},
        {"type": "object", "properties": {name: {"type": "string"} for name in MANY}},
        {"type": "object", "required": list(MANY), "properties": MANY},
    ],
)
def test_what_cannot_be_asked_for_is_said(schema: Any) -> None:
    """No object, nothing said of a type, references that lead nowhere, too much of something."""
    with pytest.raises(SchemaError):
        Labels.of(schema)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("label: a|b", {"label": "enum"}),
        ('label: "a|b"|"c, d", n int', {"label": "enum", "n": "int64"}),
        ("reasons list, x list of float", {"reasons": "list<string>", "x": "list<double>"}),
        ("when? date, at datetime, ok bool", {"when": "date", "at": "timestamp", "ok": "boolean"}),
        ("note", {"note": "string"}),
        ("n: int", {"n": "int64"}),
    ],
)
def test_the_short_way_to_name_fields(text: str, wanted: dict[str, str]) -> None:
    """Names, choices, kinds, lists and what may be null."""
    labels = Labels.of(schema_of_fields(text))
    assert {key: named(column) for key, column in labels.columns.items()} == wanted


@pytest.mark.parametrize(
    "text", ["", "a: x|x", "a b", "1a int", "a int, a int", "a: |", "a flaot", 'a: "x', "a list of"]
)
def test_fields_that_make_no_sense(text: str) -> None:
    """Are said, with the nearest kind where there is one."""
    with pytest.raises(FieldsError):
        schema_of_fields(text)


def message(text: str) -> Any:
    """A message that answers with a text."""
    content = [{"type": "text", "text": text}]
    body = {"type": "message", "role": "assistant", "id": "m", "content": content}
    return parse_message(json.dumps({**body, "stop_reason": "end_turn"}).encode())


@pytest.mark.parametrize(
    "text",
    ['{"a": 1}', ' {"a": 1}\n', 'Here it is:\n```json\n{"a": 1}\n```\nDone.', 'So {x}: {"a": 1}'],
)
def test_the_object_is_found_in_a_text(text: str) -> None:
    """As the whole answer, in a code fence, after prose with braces."""
    assert value_of(message(text)) == {"a": 1}


@pytest.mark.parametrize("text", ["no", "{", '{"a": NaN}', "{" * 5_000])
def test_no_value_is_made_up(text: str) -> None:
    """Numbers that JSON does not have, endless braces, no JSON at all."""
    with pytest.raises(NoValueError):
        value_of(message(text))


def test_cells() -> None:
    """Dates and times are values, times in UTC; what has no one kind is JSON text."""
    assert cell("2026-11-26", ColumnType("date")) == date(2026, 11, 26)
    moment = cell("2026-11-26T10:00:00+02:00", ColumnType("timestamp"))
    assert moment == datetime(2026, 11, 26, 8, tzinfo=UTC)
    assert cell({"b": [1, "ü"]}, ColumnType("json")) == '{"b": [1, "ü"]}'
    assert cell(3, ColumnType("double")) == 3.0
