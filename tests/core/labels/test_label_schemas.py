"""Schemas are adapted to the API, removed rules are listed, and columns depend on them only."""

import json
from datetime import date
from typing import Any

import pytest
from schema_cases import CASES, IMPOSSIBLE

from batcher.core.labels.label_columns import ColumnType, column_type, columns_of
from batcher.core.labels.labels import Labels
from batcher.core.labels.schema.api_schema import adapt
from batcher.core.labels.schema.references import SchemaError
from batcher.core.labels.schema.user_schema import schema_of_json
from batcher.core.request.refusals import refusals
from batcher.simulator.validation.output_schema import check_schemas


def named(column: ColumnType) -> str:
    """Return the type of a column as text."""
    if column.kind == "list" and column.item is not None:
        return f"list<{named(column.item)}>"
    if column.kind == "struct":
        return f"struct<{','.join(f'{name}:{named(inner)}' for name, inner in column.fields)}>"
    return column.kind


def refused(labels: Labels) -> list[str]:
    """Return the known reasons for which the API would refuse a request for labels."""
    results = refusals(labels.request_fields({}), None, "2026-10-21", today=date(2026, 11, 26))
    return [refusal.message for refusal in results if refusal.severity == "error"]


@pytest.mark.parametrize("name", CASES)
def test_columns_follow_from_the_schema(name: str) -> None:
    """Each schema has its column types without any answer."""
    case = CASES[name]
    columns = columns_of(case.schema)
    assert {key: named(column) for key, column in columns.items()} == case.columns


@pytest.mark.parametrize("via", ["format", "tool"])
@pytest.mark.parametrize("name", CASES)
def test_the_api_accepts_every_adapted_schema(name: str, via: Any) -> None:
    """Neither batcher's rules nor the simulator's validation refuse it."""
    labels = Labels.of(CASES[name].schema, via)
    check_schemas([("schema", dict(labels.adapted.schema))])
    assert refused(labels) == []


@pytest.mark.parametrize("name", CASES)
def test_adapting_twice_changes_nothing_more(name: str) -> None:
    """An accepted schema stays unchanged and has no local rules."""
    once = adapt(CASES[name].schema).schema
    twice = adapt(once)
    assert json.dumps(twice.schema) == json.dumps(once)
    assert twice.local_rules == ()


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_schemas_are_refused(name: str) -> None:
    """The message names the reason."""
    schema, message = IMPOSSIBLE[name]
    with pytest.raises(SchemaError) as caught:
        Labels.of(schema)
    assert message in str(caught.value)


def test_an_instruction_has_the_users_own_schema() -> None:
    """No rule is removed, maps and many optional keys are allowed, and batcher checks all of it."""
    schema = IMPOSSIBLE["a map"][0] | IMPOSSIBLE["many optional"][0]
    labels = Labels.of(schema, "text")
    assert labels.request_fields({}) == {}
    assert labels.instruction is not None
    assert json.dumps(schema) in labels.instruction
    assert labels.checked_by_batcher() == ("all of the schema",)


def adapted(schema: dict[str, Any]) -> Any:
    """Adapt the schema of one required property."""
    return adapt({"type": "object", "required": ["x"], "properties": {"x": schema}})


@pytest.mark.parametrize(
    ("schema", "description", "rules"),
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
def test_rules_that_the_api_does_not_enforce_are_described(
    schema: dict[str, Any], description: str | None, rules: int
) -> None:
    """The description tells the model; ``local_rules`` tells people."""
    result = adapted(schema)
    text = result.schema["properties"]["x"].get("description")
    assert text is None if description is None else text.startswith(description)
    assert len(result.local_rules) == rules
    assert all(rule.startswith("x: ") for rule in result.local_rules)


@pytest.mark.parametrize(
    ("schema", "remark"),
    [
        ({"type": "string", "format": "phone"}, "x: 'in the format phone' is not checked"),
        ({"minimum": 0}, "x: has no type; number is assumed"),
        ({"type": "number", "minumum": 0}, "did you mean `minimum`?"),
        (
            {"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": True},
            "x: further keys are allowed, but not requested",
        ),
        (
            {"type": "array", "prefixItems": [{"type": "null"}]},
            "x: further entries are requested like the first 1",
        ),
    ],
)
def test_remarks_name_what_is_not_requested_or_checked(schema: dict[str, Any], remark: str) -> None:
    """Nothing is removed or ignored without a remark."""
    assert any(remark in text for text in adapted(schema).remarks)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([{"type": ["integer", "string"]}, {"type": "number"}], {"type": "integer"}),
        ([{"enum": ["a", 1, True]}, {"enum": [True, "a"]}], {"enum": ["a", True]}),
        (
            [{"anyOf": [{"type": "string"}, {"type": "null"}]}, {"anyOf": [{"type": "string"}]}],
            {"type": "string"},
        ),
    ],
)
def test_schemas_that_all_apply_are_merged(parts: list[Any], expected: dict[str, Any]) -> None:
    """The result has the common types and choices, and the possible combinations of unions."""
    assert adapted({"allOf": parts}).schema["properties"]["x"] == expected


def test_required_keys_come_first_in_the_users_order() -> None:
    """The API writes them in this order, at every level."""
    one = {"type": "string"}
    inner = {"type": "object", "properties": {"z": one, "y": one, "x": one}, "required": ["x", "y"]}
    result = adapt({"properties": {"b": one, "a": inner}, "required": ["a"]}).schema
    assert list(result["properties"]) == ["a", "b"]
    assert list(result["properties"]["a"]["properties"]) == ["y", "x", "z"]
    assert result["properties"]["a"]["required"] == ["y", "x"]


def test_plain_references_stay_references() -> None:
    """Their target counts once, as in the API; a reference with more keywords is written out."""
    optional = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(13)}}
    ref = {"$ref": "#/$defs/one"}
    schema = {
        "properties": {"a": ref, "b": ref},
        "required": ["a", "b"],
        "$defs": {"one": optional},
    }
    result = adapt(schema).schema
    assert result["properties"]["b"] == ref
    assert list(result["$defs"]) == ["one"]
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
    """A schema with one type has a column of it; all others are JSON text."""
    root = {"properties": {"x": schema}, "$defs": {"none": {"type": "null"}}}
    assert named(column_type(schema, root)) == kind


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"type": "object",\n "properties" {}}', "line 2, column 15"),
        (b'{"type": "object", "type": "array"}', "'type' appears twice"),
        (b"[]", "a JSON object"),
        (b"\xff", "not UTF-8"),
        (b'{"minimum": NaN}', "not JSON"),
        (b"[" * 100_000, "nested too deep"),
    ],
)
def test_a_file_that_is_not_a_schema_is_refused(data: bytes, message: str) -> None:
    """The message has the line, where there is one."""
    with pytest.raises(SchemaError, match=message):
        schema_of_json(data)


def test_a_schema_file_may_begin_with_a_byte_order_mark() -> None:
    """Some editors write it."""
    assert schema_of_json(b'\xef\xbb\xbf{"type": "object"}') == {"type": "object"}
