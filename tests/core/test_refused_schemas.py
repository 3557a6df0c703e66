"""Schemas and cache marks that the API is known to refuse are found."""

from typing import Any

import pytest
from asking import found, plain


def schema_keys(schema: Any, severity: Any = "error") -> Any:
    """List what is found in a schema of the answer, with paths from the schema on."""
    body = plain(output_config={"format": {"type": "json_schema", "schema": schema}})
    start = "output_config.format.schema"
    return [key.removeprefix(start) for key in found(body, severity=severity)]


def fields(count: Any = 1, needed: Any = 0, **kind: Any) -> Any:
    """Make an object schema of so many fields."""
    names = [f"f{number}" for number in range(count)]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": names[:needed],
        "properties": dict.fromkeys(names, kind or {"type": "string"}),
    }


CIRCLE = {"$ref": "#/$defs/a", "$defs": {"a": fields(1, **{"$ref": "#/$defs/a"})}}
SCHEMAS = {
    "fine": (fields(24), []),
    "enum": ({"type": "string", "enum": ["a", "b"]}, []),
    "nullable": ({"type": ["string", "null"]}, []),
    "shared definition": (
        fields(2, **{"$ref": "#/$defs/a"}) | {"$defs": {"a": {"type": "string"}}},
        [],
    ),
    "one item at least": ({"type": "array", "items": {"type": "string"}, "minItems": 1}, []),
    "formats": ({"type": "string", "format": "date"}, []),
    "open object": ({"type": "object", "properties": {}}, [""]),
    "open inner object": (fields(1, 1, type="object"), [".properties.f0"]),
    "minimum": (fields(1, 1, type="integer", minimum=0), [".properties.f0.minimum"]),
    "max length": (
        {"type": "array", "items": {"type": "string", "maxLength": 3}},
        [".items.maxLength"],
    ),
    "two items at least": ({"type": "array", "minItems": 2}, [".minItems"]),
    "items at most": ({"type": "array", "maxItems": 2}, [".maxItems"]),
    "recursion": (CIRCLE, [""]),
    "recursion to the root": (fields(1, 1, **{"$ref": "#"}), [""]),
    "external reference": ({"$ref": "https://example.org/s.json"}, [".$ref"]),
    "allOf of references": (
        {"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"type": "string"}}},
        [".allOf"],
    ),
    "lookahead": ({"type": "string", "pattern": "^(?=a)"}, [".pattern"]),
    "word boundary": ({"type": "string", "pattern": r"\ba"}, [".pattern"]),
    "backreference": ({"type": "string", "pattern": r"(a)\1"}, [".pattern"]),
    "unknown format": ({"type": "string", "format": "colour"}, [".format"]),
    "enum of objects": ({"enum": [{"a": 1}]}, [".enum"]),
    "unknown type": ({"type": "text"}, [".type"]),
    "too many optional": (fields(25), [""]),
    "too many unions": (fields(17, 17, type=["string", "null"]), [""]),
    "sixteen unions": (fields(16, 16, anyOf=[{"type": "string"}, {"type": "null"}]), []),
}


@pytest.mark.parametrize(("schema", "keys"), SCHEMAS.values(), ids=SCHEMAS)
def test_schemas_outside_the_supported_part_are_refused(schema: Any, keys: Any) -> None:
    """A schema that the API would not compile is refused, with the path inside it."""
    assert schema_keys(schema) == keys


def test_doubtful_schemas_are_warned_of() -> None:
    """Keywords nobody documents, and names that can trigger a refusal, are warnings."""
    assert schema_keys({"type": "string", "oneOf": []}, "warning") == [".oneOf"]
    named = {"type": "object", "additionalProperties": False, "properties": {"Reasoning": {}}}
    assert schema_keys(named, "warning") == [".properties.Reasoning"]
    assert schema_keys(named) == []


def test_only_a_json_schema_is_a_format() -> None:
    """The format has one type, and needs its schema."""
    assert found(plain(output_config={"format": {"type": "json"}})) == ["output_config.format.type"]
    missing = plain(output_config={"format": {"type": "json_schema"}})
    assert found(missing) == ["output_config.format.schema"]


def test_strict_tools_are_held_to_the_same_rules() -> None:
    """Strict tools share the limits with the format; other tools have none."""
    tools = [{"name": "t", "strict": True, "input_schema": fields(13)}] * 2
    assert found(plain(tools=tools)) == ["tools.1.input_schema"]
    loose = [{"name": "t", "input_schema": {"type": "object", "minimum": 1}}]
    assert found(plain(tools=loose)) == []
    many = [{"name": "t", "strict": True, "input_schema": fields(1, 1)}] * 21
    assert found(plain(tools=many)) == ["tools.20.input_schema"]


def mark(ttl: Any = None) -> Any:
    """Make a block with a cache mark."""
    control = {"type": "ephemeral"} | ({} if ttl is None else {"ttl": ttl})
    return {"type": "text", "text": "x", "cache_control": control}


MARKS = {
    "four": ({"system": [mark()] * 4}, []),
    "five": ({"system": [mark()] * 5}, ["system.4.cache_control"]),
    "four and automatic": (
        {"system": [mark()] * 4, "cache_control": {"type": "ephemeral"}},
        ["cache_control"],
    ),
    "hour first": ({"tools": [mark("1h")], "system": [mark("5m")]}, []),
    "hour last": (
        {"tools": [mark("5m")], "system": [mark("1h")]},
        ["system.0.cache_control"],
    ),
    "default is short": (
        {"system": [mark()], "messages": [{"role": "user", "content": [mark("1h")]}]},
        ["messages.0.content.0.cache_control"],
    ),
    "nested": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "tool_result", "content": [mark("1d")]}]}
            ]
        },
        ["messages.0.content.0.content.0.cache_control.ttl"],
    ),
    "no type": ({"system": [{"cache_control": {}}]}, ["system.0.cache_control"]),
    "automatic of another ttl": (
        {
            "messages": [{"role": "user", "content": [mark("1h")]}],
            "cache_control": {"type": "ephemeral"},
        },
        ["cache_control"],
    ),
    "automatic of the same ttl": (
        {
            "messages": [{"role": "user", "content": [mark()]}],
            "cache_control": {"type": "ephemeral"},
        },
        [],
    ),
    "null": ({"system": [{"type": "text", "text": "x", "cache_control": None}]}, []),
}


@pytest.mark.parametrize(("more", "keys"), MARKS.values(), ids=MARKS)
def test_cache_marks(more: Any, keys: Any) -> None:
    """At most four marks, one-hour marks first, the automatic one in keeping with the last."""
    assert found(plain(**more)) == keys
