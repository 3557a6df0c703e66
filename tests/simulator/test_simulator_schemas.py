"""Structured output: which schemas are refused, and that answers match the accepted ones."""

import json
from typing import Any

import jsonschema
import pytest
from simulator_bodies import Client, body_of


def record(**properties: Any) -> dict[str, Any]:
    """Return the schema of a closed object whose properties are all required."""
    return {"type": "object", "additionalProperties": False, "properties": properties,
            "required": list(properties)}  # fmt: skip


def with_schema(schema: Any) -> dict[str, Any]:
    """Return the change to a body that requests a schema."""
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


POINT = {"$defs": {"point": record(x={"type": "number"}, y={"type": "number"})}}
FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6",
           "uuid")  # fmt: skip
SCHEMAS: dict[str, dict[str, Any]] = {
    "enum": record(label={"type": "string", "enum": ["a", "b", "c"]}),
    "scalars": record(s={"type": "string"}, i={"type": "integer"}, n={"type": "number"},
                      b={"type": "boolean"}, z={"type": "null"}),
    "const": record(kind={"const": "fixed"}, five={"const": 5}),
    "arrays": record(tags={"type": "array", "items": {"enum": ["p", "q"]}, "minItems": 1}),
    "nested": record(inner=record(deeper=record(value={"type": "integer"}))),
    "ref": record(at={"$ref": "#/$defs/point"}, also={"$ref": "#/$defs/point"}) | POINT,
    "anyOf": record(v={"anyOf": [{"type": "integer"}, {"type": "null"}, record(w={"const": 1})]}),
    "allOf": record(v={"allOf": [record(a={"type": "integer"}), {"description": "x"}]}),
    "types": record(v={"type": ["string", "null"]}),
    "optional": record(a={"type": "string"}) | {"required": []},
    "formats": record(**{f.replace("-", "_"): {"type": "string", "format": f} for f in FORMATS}),
    "patterns": record(
        code={"type": "string", "pattern": r"^[A-Z]{2}-\d{3,4}$"},
        word={"type": "string", "pattern": r"^(?:yes|no|may[bB]e)(!{1,2})?$"},
        hexes={"type": "string", "pattern": r"^#[0-9a-f]{6}$"},
        rest={"type": "string", "pattern": r"^\w+\s\S+[^a-z]?$"},
    ),
    "array at the root": {"type": "array", "items": {"type": "integer"}},
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEMAS)
def test_answers_match_the_schema(shared: Client, name: str) -> None:
    """A strict validator accepts the answer to every row."""
    schema = SCHEMAS[name]
    check = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    for row in range(12):
        message = shared.message(f"row {row}", max_tokens=4_000, **with_schema(schema))
        assert [block["type"] for block in message["content"]] == ["thinking", "text"]
        check.validate(json.loads(message["content"][1]["text"]))


def test_required_keys_come_first(shared: Client) -> None:
    """Keys are in the schema's order, but required keys precede optional ones."""
    schema = record(a={"type": "null"}, b={"type": "null"}) | {"required": ["b"]}
    texts = {
        shared.message(f"{row}", **with_schema(schema))["content"][1]["text"] for row in range(20)
    }
    assert texts == {'{"b": null}', '{"b": null, "a": null}'}


def test_every_choice_occurs(shared: Client) -> None:
    """Answers cover all values of an enum."""
    schema = SCHEMAS["enum"]
    answers = {
        shared.message(f"row {row}", **with_schema(schema))["content"][1]["text"]
        for row in range(30)
    }
    assert len(answers) == 3


REFUSED: dict[str, tuple[Any, str]] = {
    "open object": ({"type": "object", "properties": {}}, "'additionalProperties' must be"),
    "open inner object": (record(v={"type": "object"}), "'additionalProperties' must be"),
    "minimum": (record(v={"type": "integer", "minimum": 1}), "properties minimum are not"),
    "multipleOf": (record(v={"type": "number", "multipleOf": 2}), "multipleOf"),
    "lengths": (record(v={"type": "string", "maxLength": 5}), "maxLength"),
    "maxItems": (record(v={"type": "array", "items": {"type": "null"}, "maxItems": 3}), "maxItems"),
    "minItems": (record(v={"type": "array", "items": {"type": "null"}, "minItems": 2}), "minItems"),
    "oneOf": (record(v={"oneOf": [{"type": "null"}]}), "oneOf"),
    "recursion": (record(v={"$ref": "#/$defs/n"}) | {"$defs": {"n": record(
        next={"anyOf": [{"type": "null"}, {"$ref": "#/$defs/n"}]})}}, "Circular reference"),
    "external": (record(v={"$ref": "https://example.com/s"}), "Only internal $ref"),
    "dangling": (record(v={"$ref": "#/$defs/no"}), "Could not resolve reference"),
    "format": (record(v={"type": "string", "format": "iri"}), "format 'iri' is not supported"),
    "lookahead": (record(v={"type": "string", "pattern": "^(?=a)"}), "'pattern' is too complex"),
    "boundary": (record(v={"type": "string", "pattern": r"\bx"}), "'pattern' is too complex"),
    "back-reference": (record(v={"type": "string", "pattern": r"(a)\1"}), "too complex"),
    "flags": (record(v={"type": "string", "pattern": "(?i)a"}), "too complex"),
    "no regex": (record(v={"type": "string", "pattern": "(a"}), "too complex"),
    "empty class": (record(v={"type": "string", "pattern": r"[^\s\S]"}), "too complex"),
    "enum of objects": (record(v={"enum": [{}]}), "Enum values must be"),
    "allOf with ref": (record(v={"allOf": [{"$ref": "#/$defs/point"}]}) | POINT, "allOf"),
    "type": (record(v={"type": "text"}), "Schema type 'text' is not supported"),
    "no type": (record(v={}), "Schema type is missing"),
    "25 optional": (record(**{f"k{i}": {"type": "null"} for i in range(25)}) | {"required": []},
                    "too complex"),
    "17 unions": (record(**{f"k{i}": {"type": ["null", "string"]} for i in range(17)}),
                  "too complex"),
    "no object": ("x", "Input should be a valid dictionary"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_schemas(shared: Client, name: str) -> None:
    """A schema that the grammar compiler does not support is a 400; nothing is billed."""
    schema, expected = REFUSED[name]
    status, _, message = shared.refused(body_of(**with_schema(schema)))
    assert status == 400
    assert expected in message


def test_strict_tools_follow_the_same_rules(shared: Client) -> None:
    """The schema of a strict tool is refused like an output schema; other tools accept it."""
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}},
              "required": ["n"]}  # fmt: skip
    tool = {"name": "t", "input_schema": schema}
    assert shared.refused(body_of(tools=[tool | {"strict": True}]))[0] == 400
    message = shared.message(tools=[tool], tool_choice={"type": "any"})
    assert message["stop_reason"] == "tool_use"
    assert message["content"][-1]["input"]["n"] >= 3


def test_bounds_of_tools_that_are_not_strict(shared: Client) -> None:
    """Their input still obeys bounds and lengths."""
    schema = {"type": "object", "required": ["i", "n", "s", "l"], "properties": {
        "i": {"type": "integer", "minimum": 7, "maximum": 9},
        "n": {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5},
        "s": {"type": "string", "minLength": 4, "maxLength": 6},
        "l": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
    }}  # fmt: skip
    for row in range(10):
        message = shared.message(
            f"row {row}",
            tools=[{"name": "t", "input_schema": schema}],
            tool_choice={"type": "tool", "name": "t"},
        )
        jsonschema.validate(message["content"][-1]["input"], schema)


def test_a_tool_with_an_unsupported_schema(shared: Client) -> None:
    """A tool that is not strict and has such a schema gets empty input; the server goes on."""
    recursive = {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}
    external = {
        "type": "object",
        "properties": {"a": {"$ref": "https://example.com"}},
        "required": ["a"],
    }
    for schema in (recursive, external):
        tool = {"name": "t", "input_schema": schema}
        message = shared.message(tools=[tool], tool_choice={"type": "any"})
        assert message["content"][-1]["input"] == {}
