"""Schemas and cache marks that the API is known to refuse are found."""

from typing import Any

import pytest
from refusal_cases import refused_keys, request_body


def schema_keys(schema: Any, severity: Any = "error") -> Any:
    """Return the refused keys of an output schema, as paths inside the schema."""
    body = request_body(output_config={"format": {"type": "json_schema", "schema": schema}})
    start = "output_config.format.schema"
    return [key.removeprefix(start) for key in refused_keys(body, severity=severity)]


def fields(count: Any = 1, needed: Any = 0, **kind: Any) -> Any:
    """Return an object schema with ``count`` fields, ``needed`` of them required."""
    names = [f"f{number}" for number in range(count)]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": names[:needed],
        "properties": dict.fromkeys(names, kind or {"type": "string"}),
    }


CYCLE = {"$ref": "#/$defs/a", "$defs": {"a": fields(1, **{"$ref": "#/$defs/a"})}}
SCHEMAS = {
    "valid": (fields(24), []),
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
    "recursion": (CYCLE, [""]),
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
def test_unsupported_schemas_are_refused(schema: Any, keys: Any) -> None:
    """A schema that the API would not compile is refused, with the path in the schema."""
    assert schema_keys(schema) == keys


def test_doubtful_schemas_are_warnings() -> None:
    """Undocumented keywords, and names that can trigger a refusal, are warnings."""
    assert schema_keys({"type": "string", "oneOf": []}, "warning") == [".oneOf"]
    named = {"type": "object", "additionalProperties": False, "properties": {"Reasoning": {}}}
    assert schema_keys(named, "warning") == [".properties.Reasoning"]
    assert schema_keys(named) == []


def test_only_a_json_schema_is_a_format() -> None:
    """The format has one type, and needs a schema."""
    assert refused_keys(request_body(output_config={"format": {"type": "json"}})) == [
        "output_config.format.type"
    ]
    missing = request_body(output_config={"format": {"type": "json_schema"}})
    assert refused_keys(missing) == ["output_config.format.schema"]


def test_strict_tools_have_the_same_rules() -> None:
    """Strict tools share the limits with the output format; other tools have no limits."""
    tools = [{"name": "t", "strict": True, "input_schema": fields(13)}] * 2
    assert refused_keys(request_body(tools=tools)) == ["tools.1.input_schema"]
    loose = [{"name": "t", "input_schema": {"type": "object", "minimum": 1}}]
    assert refused_keys(request_body(tools=loose)) == []
    many = [{"name": "t", "strict": True, "input_schema": fields(1, 1)}] * 21
    assert refused_keys(request_body(tools=many)) == ["tools.20.input_schema"]


def mark(ttl: Any = None) -> Any:
    """Return a block with a cache mark."""
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
    """At most four marks, one-hour marks first, the automatic ttl the same as the last mark's."""
    assert refused_keys(request_body(**more)) == keys
