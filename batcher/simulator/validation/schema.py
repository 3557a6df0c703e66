"""Which JSON schemas structured output and strict tools accept."""

import re
from collections.abc import Iterator
from typing import Any

from batcher.simulator.errors import ApiError
from batcher.simulator.validation.shape import refuse

Schema = dict[str, Any]
TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
KEYWORDS = frozenset(
    {
        "type", "enum", "const", "anyOf", "allOf", "$ref", "$defs", "definitions", "default",
        "properties", "required", "additionalProperties", "items", "minItems", "format",
        "pattern", "title", "description", "examples", "$schema", "$id", "$comment",
    }
)  # fmt: skip
FORMATS = frozenset(
    {
        "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6",
        "uuid",
    }
)  # fmt: skip
MOST_OPTIONAL = 24
MOST_UNIONS = 16
MOST_STRICT_TOOLS = 20
_HARD_PATTERN = re.compile(r"\(\?[=!<]|\\[1-9bB]|\(\?P")


def check_output_schema(body: dict[str, Any]) -> None:
    """Check the schema of ``output_config.format``."""
    output_format = (body.get("output_config") or {}).get("format")
    if output_format:
        if _cites(body):
            raise refuse("output_config.format", "cannot be used with citations")
        check_schemas([("output_config.format.schema", output_format["schema"])])


def check_strict_tools(body: dict[str, Any]) -> None:
    """Check the schemas of all strict tools together."""
    strict = [
        (f"tools.{place}.custom.input_schema", tool["input_schema"])
        for place, tool in enumerate(body.get("tools") or ())
        if tool.get("strict")
    ]
    if len(strict) > MOST_STRICT_TOOLS:
        raise refuse("tools", f"too many strict tools: {len(strict)} > {MOST_STRICT_TOOLS}")
    check_schemas(strict)


def check_schemas(schemas: list[tuple[str, Schema]]) -> None:
    """Refuse what the grammar compiler cannot do; the limits count over all schemas."""
    optional = unions = 0
    for path, root in schemas:
        _check_recursion(root, root, path, ())
        for schema in _walk(root, path):
            _check_one(schema, path)
            names = schema.get("properties") or {}
            optional += len(set(names) - set(schema.get("required") or ()))
            unions += "anyOf" in schema or isinstance(schema.get("type"), list)
    if optional > MOST_OPTIONAL or unions > MOST_UNIONS:
        raise ApiError(400, "Schema is too complex for compilation.")


def _walk(schema: Any, path: str) -> Iterator[Schema]:
    if not isinstance(schema, dict):
        raise refuse(path, "Each schema must be an object")
    yield schema
    for name in ("properties", "$defs", "definitions"):
        for inner in (schema.get(name) or {}).values():
            yield from _walk(inner, path)
    if "items" in schema:
        yield from _walk(schema["items"], path)
    for name in ("anyOf", "allOf"):
        for inner in schema.get(name) or ():
            yield from _walk(inner, path)


def _check_one(schema: Schema, path: str) -> None:
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    unknown = sorted(set(schema) - KEYWORDS)
    if unknown:
        name = f"'{kinds[0]}' type" if kinds[0] else "a schema"
        raise refuse(path, f"For {name}, properties {', '.join(unknown)} are not supported")
    for kind in kinds:
        if kind is not None and kind not in TYPES:
            raise refuse(path, f"Schema type '{kind}' is not supported")
    if kinds == [None] and not {"enum", "const", "anyOf", "allOf", "$ref"} & set(schema):
        raise refuse(path, "Schema type is missing")
    if "object" in kinds:
        _check_object(schema, path)
    if schema.get("minItems", 0) not in (0, 1):
        raise refuse(
            path, "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
        )
    _check_values(schema, path)
    if "allOf" in schema and any("$ref" in part for part in schema["allOf"]):
        raise refuse(path, "allOf cannot be combined with $ref")


def _check_object(schema: Schema, path: str) -> None:
    if schema.get("additionalProperties") is not False:
        raise refuse(
            path, "For 'object' type, 'additionalProperties' must be explicitly set to false"
        )
    missing = set(schema.get("required") or ()) - set(schema.get("properties") or {})
    if missing:
        raise refuse(path, f"required names unknown properties: {', '.join(sorted(missing))}")


def _check_values(schema: Schema, path: str) -> None:
    if any(isinstance(value, dict | list) for value in schema.get("enum", ())):
        raise refuse(path, "Enum values must be strings, numbers, booleans or null")
    if "enum" in schema and not schema["enum"]:
        raise refuse(path, "Enum must have at least one value")
    if "format" in schema and schema["format"] not in FORMATS:
        raise refuse(path, f"For 'string' type, format '{schema['format']}' is not supported")
    if "pattern" in schema and _HARD_PATTERN.search(schema["pattern"]):
        raise refuse(path, "For 'string' type, 'pattern' is too complex")


def _check_recursion(schema: Any, root: Schema, path: str, seen: tuple[str, ...]) -> None:
    """Follow every reference; one that leads back to itself cannot be compiled."""
    if not isinstance(schema, dict):
        return
    reference = schema.get("$ref")
    if reference is not None:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise refuse(path, "Only internal $ref are supported")
        if reference in seen or reference == "#":
            raise refuse(path, "Circular reference detected in schema definitions")
        target = _target(root, reference, path)
        _check_recursion(target, root, path, (*seen, reference))
    inner = [*(schema.get("properties") or {}).values(), schema.get("items")]
    for part in (*inner, *(schema.get("anyOf") or ()), *(schema.get("allOf") or ())):
        _check_recursion(part, root, path, seen)


def _target(root: Schema, reference: str, path: str) -> Any:
    found: Any = root
    for part in reference.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or name not in found:
            raise refuse(path, f"Could not resolve reference '{reference}'")
        found = found[name]
    return found


def _cites(body: dict[str, Any]) -> bool:
    return any(
        isinstance(block.get("citations"), dict) and block["citations"].get("enabled")
        for message in body["messages"]
        if not isinstance(message["content"], str)
        for block in message["content"]
    )
