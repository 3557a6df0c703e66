"""Rules about JSON schemas: of the output format, and of strict tools."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from batcher.core.labels.schema.structured_output import FORMATS, MOST_OPTIONAL, MOST_UNIONS
from batcher.core.request.refusal_rules.checked_request import (
    CheckedRequest,
    Refusal,
    error,
    warning,
)
from batcher.core.request.refusal_rules.schema_references import is_recursive

_TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_REFUSED = frozenset(
    {
        "exclusiveMaximum",
        "exclusiveMinimum",
        "maxItems",
        "maxLength",
        "maximum",
        "minLength",
        "minimum",
        "multipleOf",
    }
)
_KNOWN = frozenset(
    {
        "$comment",
        "$defs",
        "$id",
        "$ref",
        "$schema",
        "additionalProperties",
        "allOf",
        "anyOf",
        "const",
        "default",
        "definitions",
        "description",
        "enum",
        "examples",
        "format",
        "items",
        "minItems",
        "pattern",
        "properties",
        "required",
        "title",
        "type",
    }
)
_HARD_PATTERN = re.compile(r"\(\?[=!<]|\\[1-9]|\\k|\\[bB]")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_TRIGGERS = frozenset({"reasoning", "thinking", "trace"})
_MAX_STRICT_TOOLS = 20


def output_format(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse an output format that is not a JSON schema."""
    spec = request.part("output_config").get("format")
    key = "output_config.format"
    if spec is None:
        return
    if not isinstance(spec, Mapping) or spec.get("type") != "json_schema":
        yield error(f"{key}.type", 'must be "json_schema"')
    elif not isinstance(spec.get("schema"), Mapping):
        yield error(f"{key}.schema", "must be a JSON schema")


def schemas(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse schemas with unsupported keywords, and schemas that are too large together."""
    by_path = dict(_schemas(request))
    strict = [path for path in by_path if path.startswith("tools.")]
    for path in strict[_MAX_STRICT_TOOLS:]:
        yield error(path, f"a request has at most {_MAX_STRICT_TOOLS} strict tools")
    for number, tool in enumerate(request.items("tools")):
        name = tool.get("name") if isinstance(tool, Mapping) else None
        if isinstance(name, str) and not _TOOL_NAME.fullmatch(name):
            yield error(f"tools.{number}.name", "must be 1 to 128 letters, digits, _ and -")
    optional = unions = 0
    for path, schema in by_path.items():
        nodes = list(_nodes(path, schema))
        for here, node in nodes:
            yield from _node(here, node)
        if is_recursive(schema):
            yield error(path, "a schema must not refer to itself")
        optional += sum(_optional(node) for _, node in nodes)
        unions += sum("anyOf" in node or isinstance(node.get("type"), list) for _, node in nodes)
    last = next(reversed(by_path), "")
    if optional > MOST_OPTIONAL:
        yield error(last, f"{optional} optional properties; at most {MOST_OPTIONAL} are allowed")
    if unions > MOST_UNIONS:
        yield error(last, f"{unions} union types; at most {MOST_UNIONS} are allowed")


def _schemas(request: CheckedRequest) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, tool in enumerate(request.items("tools")):
        if isinstance(tool, Mapping) and tool.get("strict") is True:
            schema = tool.get("input_schema")
            if isinstance(schema, Mapping):
                yield f"tools.{number}.input_schema", schema
    spec = request.part("output_config").get("format")
    if isinstance(spec, Mapping) and isinstance(spec.get("schema"), Mapping):
        yield "output_config.format.schema", spec["schema"]


def _nodes(path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every subschema of a schema with its path."""
    pending: list[tuple[str, object]] = [(path, schema)]
    while pending:
        here, node = pending.pop()
        if not isinstance(node, Mapping):
            continue
        yield here, node
        pending.append((f"{here}.items", node.get("items")))
        for key in ("properties", "$defs", "definitions"):
            inner = node.get(key)
            if isinstance(inner, Mapping):
                pending.extend((f"{here}.{key}.{name}", child) for name, child in inner.items())
        for key in ("anyOf", "allOf"):
            inner = node.get(key)
            if isinstance(inner, list | tuple):
                pending.extend((f"{here}.{key}.{n}", child) for n, child in enumerate(inner))


def _node(path: str, node: Mapping[str, Any]) -> Iterator[Refusal]:
    yield from _keywords(path, node)
    yield from _values(path, node)
    kinds = node.get("type")
    for kind in kinds if isinstance(kinds, list | tuple) else [kinds]:
        if kind is not None and not (isinstance(kind, str) and kind in _TYPES):
            yield error(f"{path}.type", "is not a type of JSON Schema")
    is_object = kinds == "object" or "properties" in node
    if is_object and node.get("additionalProperties") is not False:
        yield error(path, "every object needs additionalProperties = false")
    properties = node.get("properties")
    for name in properties if isinstance(properties, Mapping) else ():
        if str(name).lower() in _TRIGGERS:
            yield warning(
                f"{path}.properties.{name}",
                "a field of this name can make the API refuse to answer (reasoning_extraction)",
                "use another name, such as evidence or why",
            )


def _keywords(path: str, node: Mapping[str, Any]) -> Iterator[Refusal]:
    for key in node:
        if key in _REFUSED:
            hint = "write it in the description instead, and check the answers"
            yield error(f"{path}.{key}", f"{key} is not supported in a schema", hint)
        elif key not in _KNOWN:
            yield warning(f"{path}.{key}", f"{key} is not documented as supported in a schema")
    if node.get("minItems", 0) not in (0, 1):
        yield error(f"{path}.minItems", "must be 0 or 1")
    reference = node.get("$ref")
    if reference is not None and not (isinstance(reference, str) and reference.startswith("#")):
        yield error(f"{path}.$ref", "must point into the schema itself (#/...)")
    parts = node.get("allOf")
    parts = parts if isinstance(parts, list | tuple) else ()
    if any(isinstance(part, Mapping) and "$ref" in part for part in parts):
        yield error(f"{path}.allOf", "allOf cannot be combined with $ref")


def _values(path: str, node: Mapping[str, Any]) -> Iterator[Refusal]:
    pattern, format_name, values = node.get("pattern"), node.get("format"), node.get("enum")
    if isinstance(pattern, str) and _HARD_PATTERN.search(pattern):
        yield error(f"{path}.pattern", "lookaround, backreferences and \\b are not supported")
    if format_name is not None and not (isinstance(format_name, str) and format_name in FORMATS):
        yield error(f"{path}.format", f"must be one of {', '.join(sorted(FORMATS))}")
    if isinstance(values, list) and any(isinstance(value, list | dict) for value in values):
        yield error(f"{path}.enum", "may hold only strings, numbers, booleans and null")


def _optional(node: Mapping[str, Any]) -> int:
    properties, required = node.get("properties"), node.get("required")
    names = properties if isinstance(properties, Mapping) else {}
    needed = required if isinstance(required, list | tuple) else ()
    return sum(name not in needed for name in names)
