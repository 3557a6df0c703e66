"""Schemas become what the API takes, what is left out is said, and columns are stable."""

import json
from datetime import date
from typing import Any

import pytest
from schemas_made import CASES, IMPOSSIBLE

from batcher.core.labels.label_columns import ColumnType, column_type, columns_of
from batcher.core.labels.labels import Labels
from batcher.core.labels.schema.api_schema import adapt
from batcher.core.labels.schema.references import SchemaError
from batcher.core.labels.schema.user_schema import schema_of_json
from batcher.core.request.refusals import refusals
from batcher.simulator.validation.output_schema import check_schemas


def named(column: ColumnType) -> str:
    """A column's type in a word."""
    if column.kind == "list" and column.item is not None:
        return f"list<{named(column.item)}>"
    if column.kind == "struct":
        return f"struct<{','.join(f'{name}:{named(inner)}' for name, inner in column.fields)}>"
    return column.kind


def refused(labels: Labels) -> list[str]:
    """What we know the API to refuse about the request that asks for labels."""
    found = refusals(labels.asked({}), None, "2026-10-21", today=date(2026, 11, 26))
    return [one.message for one in found if one.severity == "error"]


@pytest.mark.parametrize("name", CASES)
def test_columns_follow_from_the_schema(name: str) -> None:
    """Each shape has its types, before any answer is there."""
    case = CASES[name]
    found = columns_of(case.schema)
    assert {key: named(column) for key, column in found.items()} == case.columns


@pytest.mark.parametrize("via", ["format", "tool"])
@pytest.mark.parametrize("name", CASES)
def test_the_api_takes_every_adapted_schema(name: str, via: Any) -> None:
    """Neither what we know to be refused nor the simulator's validation finds anything."""
    labels = Labels.of(CASES[name].schema, via)
    check_schemas([("schema", dict(labels.adapted.schema))])
    assert refused(labels) == []


@pytest.mark.parametrize("name", CASES)
def test_adapting_twice_changes_nothing_more(name: str) -> None:
    """What the API takes needs no second change, and leaves nothing more to us."""
    once = adapt(CASES[name].schema).schema
    twice = adapt(once)
    assert json.dumps(twice.schema) == json.dumps(once)
    assert twice.left_to_us == ()


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_cannot_be_asked_for_is_said(name: str) -> None:
    """No object, nothing said of a type, references that lead nowhere, too much of something."""
    schema, said = IMPOSSIBLE[name]
    with pytest.raises(SchemaError) as caught:
        Labels.of(schema)
    assert said in str(caught.value)


def test_a_server_that_is_told_in_words_gets_the_users_own_schema() -> None:
    """Nothing is taken out, maps and many optional keys included, and all is left to us."""
    schema = IMPOSSIBLE["a map"][0] | IMPOSSIBLE["many optional"][0]
    labels = Labels.of(schema, "text")
    assert labels.asked({}) == {}
    assert labels.instruction is not None
    assert json.dumps(schema) in labels.instruction
    assert labels.enforced() == ("all of the schema",)


def adapted(schema: dict[str, Any]) -> Any:
    """What becomes of the schema of one required property."""
    return adapt({"type": "object", "required": ["x"], "properties": {"x": schema}})


@pytest.mark.parametrize(
    ("schema", "description", "left"),
    [
        ({"type": "number", "minimum": 0, "maximum": 1}, "At least 0; at most 1", 2),
        ({"type": "string", "maxLength": 3, "description": "A code."}, "A code. (at most 3", 1),
        (
            {"type": "string", "pattern": "^(?!X)[A-Z]"},
            "Matching the regular expression ^(?!X)[A",
            1,
        ),
        ({"type": ["number"], "maximum": 3, "description": "A mark."}, "A mark. At most 3", 1),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1}, None, 0),
        ({"type": "array", "items": {"type": "string"}, "minItems": 2}, "At least 2 entries", 1),
        ({"allOf": [{"type": "number", "minimum": 0}, {"minimum": 5}]}, "At least 5", 1),
        ({"allOf": [{"type": "number", "maximum": 5}, {"maximum": 3}]}, "At most 3", 1),
        ({"allOf": [{"enum": ["a", "b"]}, {"enum": ["b", "c"]}]}, None, 0),
        ({"type": "string", "allOf": [{"pattern": "a"}, {"pattern": "b"}]}, 'And like [{"patt', 1),
        ({"type": "string", "format": "phone"}, "In the format phone", 0),
        ({"type": ["string", "null"], "not": {"const": ""}}, 'Never like {"const": ""}', 1),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, None, 0),
        ({"const": [1, 2]}, "One of [[1, 2]]", 1),
    ],
)
def test_the_model_is_told_what_the_api_does_not_hold_it_to(
    schema: dict[str, Any], description: str | None, left: int
) -> None:
    """In the description, as the user wrote it; and people in ``left_to_us``."""
    made = adapted(schema)
    said = made.schema["properties"]["x"].get("description")
    assert said is None if description is None else said.startswith(description)
    assert len(made.left_to_us) == left
    assert all(one.startswith("x: ") for one in made.left_to_us)


@pytest.mark.parametrize(
    ("schema", "remark"),
    [
        ({"type": "string", "format": "phone"}, "x: nobody checks 'in the format phone'"),
        ({"minimum": 0}, "x: taken to be of type number"),
        ({"type": "number", "minumum": 0}, "Did you mean `minimum`?"),
        (
            {"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": True},
            "x: further keys are not asked for",
        ),
        ({"type": "array", "prefixItems": [{"type": "null"}]}, "x: entries after the 1 first"),
    ],
)
def test_remarks_say_where_less_is_asked_for_or_checked(
    schema: dict[str, Any], remark: str
) -> None:
    """Nothing is taken out or overlooked in silence."""
    assert any(remark in one for one in adapted(schema).remarks)


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ([{"type": ["integer", "string"]}, {"type": "number"}], {"type": "integer"}),
        ([{"enum": ["a", 1, True]}, {"enum": [True, "a"]}], {"enum": ["a", True]}),
        (
            [{"anyOf": [{"type": "string"}, {"type": "null"}]}, {"anyOf": [{"type": "string"}]}],
            {"type": "string"},
        ),
    ],
)
def test_what_holds_at_once_is_one(parts: list[Any], wanted: dict[str, Any]) -> None:
    """Types and choices that all allow; unions in every combination that is possible."""
    assert adapted({"allOf": parts}).schema["properties"]["x"] == wanted


def test_required_keys_come_first_in_the_users_order() -> None:
    """As the API answers them, at every level."""
    one = {"type": "string"}
    inner = {"type": "object", "properties": {"z": one, "y": one, "x": one}, "required": ["x", "y"]}
    made = adapt({"properties": {"b": one, "a": inner}, "required": ["a"]}).schema
    assert list(made["properties"]) == ["a", "b"]
    assert list(made["properties"]["a"]["properties"]) == ["y", "x", "z"]
    assert made["properties"]["a"]["required"] == ["y", "x"]


def test_definitions_that_are_only_referred_to_stay_definitions() -> None:
    """They count once, as the API counts them; where more is said of one it is written out."""
    optional = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(13)}}
    ref = {"$ref": "#/$defs/one"}
    schema = {
        "properties": {"a": ref, "b": ref},
        "required": ["a", "b"],
        "$defs": {"one": optional},
    }
    made = adapt(schema).schema
    assert made["properties"]["b"] == ref
    assert list(made["$defs"]) == ["one"]
    schema["properties"]["b"] = {**ref, "description": "the other"}
    with pytest.raises(SchemaError, match="26 optional"):
        adapt(schema)


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"enum": [1, 2**63]}, "double"),
        ({"enum": [True, 1]}, "json"),
        ({"enum": [1, 2.5, None]}, "double"),
        ({"type": "null"}, "json"),
        ({"const": True}, "boolean"),
        ({"type": "object"}, "json"),
        ({"type": "array", "items": {}}, "list<json>"),
        ({"type": ["integer", "null"], "enum": [1, None]}, "int64"),
        ({"anyOf": [{"type": "number", "minimum": 1}, {"type": "integer"}]}, "double"),
        ({"anyOf": [{"enum": ["a"]}, {"$ref": "#/$defs/none"}]}, "enum"),
    ],
)
def test_columns_of_odd_schemas(schema: dict[str, Any], kind: str) -> None:
    """What has one type has it, whatever else is said; all else is JSON text."""
    root = {"properties": {"x": schema}, "$defs": {"none": {"type": "null"}}}
    assert named(column_type(schema, root)) == kind


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"type": "object",\n "properties" {}}', "line 2, column 15"),
        (b'{"type": "object", "type": "array"}', "'type' is there twice"),
        (b"[]", "a JSON object"),
        (b"\xff", "not UTF-8"),
        (b'{"minimum": NaN}', "not JSON"),
        (b"[" * 100_000, "nested too deep"),
    ],
)
def test_a_file_that_is_no_schema_is_said_to_be_none(data: bytes, said: str) -> None:
    """With the line, where there is one."""
    with pytest.raises(SchemaError, match=said):
        schema_of_json(data)


def test_a_schema_file_may_begin_with_a_byte_order_mark() -> None:
    """As editors write it."""
    assert schema_of_json(b'\xef\xbb\xbf{"type": "object"}') == {"type": "object"}
