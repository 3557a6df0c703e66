"""The JSON schemas that structured output and strict tools accept."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from batcher.simulator.api_error import ApiError
from batcher.simulator.model.pattern import text_matching
from batcher.simulator.model.schema_value import resolve
from batcher.simulator.model.seeded_random import SeededRandom
from batcher.simulator.validation.shape import (
    Shape,
    anything,
    integer,
    list_of,
    mapping,
    refuse,
    text,
    text_or,
)

Schema = dict[str, Any]
TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
KEYWORDS: dict[str, Shape] = {
    "type": text_or(list_of(text(), 1)),
    "enum": list_of(anything, 1),
    "anyOf": list_of(mapping, 1),
    "allOf": list_of(mapping, 1),
    "$ref": text(1),
    "properties": mapping,
    "$defs": mapping,
    "definitions": mapping,
    "required": list_of(text()),
    "items": mapping,
    "minItems": integer(0),
    "format": text(1),
    "pattern": text(1),
} | dict.fromkeys(
    ("const", "default", "additionalProperties", "title", "description", "examples", "$schema",
     "$id", "$comment"),
    anything,
)  # fmt: skip
VALUE_KEYWORDS = frozenset({"type", "enum", "const", "anyOf", "allOf", "$ref"})
FORMATS = frozenset(
    {
        "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6",
        "uuid",
    }
)  # fmt: skip
MAX_OPTIONAL = 24
MAX_UNIONS = 16
MAX_STRICT_TOOLS = 20


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
        (f"tools.{index}.custom.input_schema", tool["input_schema"])
        for index, tool in enumerate(body.get("tools") or ())
        if tool.get("strict")
    ]
    if len(strict) > MAX_STRICT_TOOLS:
        raise refuse("tools", f"too many strict tools: {len(strict)} > {MAX_STRICT_TOOLS}")
    check_schemas(strict)


def check_schemas(schemas: list[tuple[str, Schema]]) -> None:
    """Refuse what the API's grammar compiler does not support; the limits cover all schemas."""
    optional = unions = 0
    for path, root in schemas:
        schemas_inside = list(_walk(root, path))
        for schema, is_part in schemas_inside:
            _check_one(schema, path)
            if not is_part and not VALUE_KEYWORDS & set(schema):
                raise refuse(path, "Schema type is missing")
            names = schema.get("properties") or {}
            optional += len(set(names) - set(schema.get("required") or ()))
            unions += "anyOf" in schema or isinstance(schema.get("type"), list)
        _References(root, path, {id(schema) for schema, _ in schemas_inside}).check(root, ())
    if optional > MAX_OPTIONAL or unions > MAX_UNIONS:
        raise ApiError(400, "Schema is too complex for compilation.")


def _walk(schema: Any, path: str, *, is_part: bool = False) -> Iterator[tuple[Schema, bool]]:
    """Yield every schema inside, and whether it is a part of an allOf, which needs no type."""
    mapping(schema, path)
    for keyword, value in schema.items():
        KEYWORDS.get(keyword, anything)(value, f"{path}.{keyword}")
    yield schema, is_part
    for name in ("properties", "$defs", "definitions"):
        for inner in schema.get(name, {}).values():
            yield from _walk(inner, path)
    if "items" in schema:
        yield from _walk(schema["items"], path)
    for name in ("anyOf", "allOf"):
        for inner in schema.get(name, ()):
            yield from _walk(inner, path, is_part=name == "allOf")


def _check_one(schema: Schema, path: str) -> None:
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    unknown = sorted(set(schema) - set(KEYWORDS))
    if unknown:
        name = f"'{kinds[0]}' type" if kinds[0] else "a schema"
        raise refuse(path, f"For {name}, properties {', '.join(unknown)} are not supported")
    for kind in kinds:
        if kind is not None and kind not in TYPES:
            raise refuse(path, f"Schema type '{kind}' is not supported")
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
    if "format" in schema and schema["format"] not in FORMATS:
        raise refuse(path, f"For 'string' type, format '{schema['format']}' is not supported")
    if "pattern" in schema and not _is_simple(schema["pattern"]):
        raise refuse(path, "For 'string' type, 'pattern' is too complex")


def _is_simple(pattern: Any) -> bool:
    try:
        text_matching(pattern, SeededRandom(0))
    except (TypeError, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class _References:
    """Follows every reference and refuses a circular one.

    ``checked`` holds the ``id()`` of each schema that was checked; a reference must lead to one.
    """

    root: Schema
    path: str
    checked: set[int]

    def check(self, schema: Schema, followed: tuple[str, ...]) -> None:
        reference = schema.get("$ref")
        if reference is not None:
            if reference in followed or reference == "#":
                raise refuse(self.path, "Circular reference detected in schema definitions")
            self.check(self._target(reference), (*followed, reference))
        inner = [*schema.get("properties", {}).values()]
        inner += [*schema.get("anyOf", ()), *schema.get("allOf", ())]
        inner += [schema["items"]] if "items" in schema else []
        for part in inner:
            self.check(part, followed)

    def _target(self, reference: str) -> Schema:
        if not reference.startswith("#"):
            raise refuse(self.path, "Only internal $ref are supported")
        try:
            target = resolve(self.root, reference)
        except (LookupError, TypeError):
            target = None
        if target is None or id(target) not in self.checked:
            raise refuse(self.path, f"Could not resolve reference '{reference}'")
        return target


def _cites(body: dict[str, Any]) -> bool:
    return any(
        isinstance(block.get("citations"), dict) and block["citations"].get("enabled")
        for message in body["messages"]
        if not isinstance(message["content"], str)
        for block in message["content"]
    )
