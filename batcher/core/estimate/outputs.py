"""The possible length of answers before there are any, from their schema and ``max_tokens``."""

import json
from collections.abc import Mapping
from typing import Any

from batcher.core.estimate.evidence import OutputRange
from batcher.core.request.models import ModelFacts

# Characters per token of JSON; the published mean for text is 2.5 to 3.4.
_MAX_CHARACTERS = 4.5
_MIN_CHARACTERS = 2.0
_MIN_TOKENS = 3.0  # an empty answer counts 2 or 3
_END_TOKENS = 2.0

_OPEN_STRING = (2, 400)
_MAX_ITEMS = 12
_MAX_DEPTH = 8
_FORMATS = {"date": 10, "time": 9, "date-time": 20, "uuid": 36, "ipv4": 15, "duration": 10}
_SCALARS = {"boolean": (4, 5), "null": (4, 4), "integer": (1, 7), "number": (1, 10)}

Lengths = tuple[int, int]


def output_range(settings: Mapping[str, Any], facts: ModelFacts | None) -> OutputRange:
    """Return a lower and an upper bound of the mean output tokens of requests with these settings.

    The upper bound is ``max_tokens``, unless the longest plausible answer of a schema is shorter
    and the model does not think first. Thinking may use any number of tokens up to ``max_tokens``.
    """
    max_tokens = max(_MIN_TOKENS, float(settings["max_tokens"]))
    schema = _schema(settings)
    low, high = _MIN_TOKENS, max_tokens
    if schema is not None:
        shortest, longest = _lengths(schema, schema, 0)
        low = _END_TOKENS + shortest / _MAX_CHARACTERS
        if not _thinks(settings, facts):
            high = _END_TOKENS + longest / _MIN_CHARACTERS
    low = min(max(_MIN_TOKENS, low), max_tokens)
    return OutputRange(low, min(max(low, high), max_tokens))


def _schema(settings: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the schema of the answer: its format's, or the schema of a required tool."""
    config = settings.get("output_config")
    output_format = config.get("format") if isinstance(config, Mapping) else None
    schema = output_format.get("schema") if isinstance(output_format, Mapping) else None
    choice = settings.get("tool_choice")
    if schema is None and isinstance(choice, Mapping) and choice.get("type") == "tool":
        tools = settings.get("tools") or ()
        schema = next(
            (tool.get("input_schema") for tool in tools if tool["name"] == choice["name"]), None
        )
    return schema if isinstance(schema, Mapping) else None


def _thinks(settings: Mapping[str, Any], facts: ModelFacts | None) -> bool:
    thinking = settings.get("thinking")
    if isinstance(thinking, Mapping):
        return thinking.get("type") in ("adaptive", "enabled")
    return facts is None or facts.thinking_default != "off"


def _lengths(schema: Any, root: Mapping[str, Any], depth: int) -> Lengths:
    """Return the minimum and maximum number of characters of a plausible value as JSON."""
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return _OPEN_STRING
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if values:
        lengths = [len(json.dumps(value, ensure_ascii=False)) for value in values]
        return min(lengths), max(lengths)
    if "$ref" in schema:
        return _lengths(_resolve(schema["$ref"], root), root, depth + 1)
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return _widest([_lengths(part, root, depth + 1) for part in schema[key]])
    kinds = schema.get("type")
    if isinstance(kinds, list | tuple) and kinds:
        return _widest([_lengths({**schema, "type": kind}, root, depth + 1) for kind in kinds])
    if kinds == "object" or "properties" in schema:
        return _object(schema, root, depth)
    if kinds == "array":
        return _array(schema, root, depth)
    return _SCALARS.get(str(kinds)) or _string(schema)


def _widest(lengths: list[Lengths]) -> Lengths:
    return min(shortest for shortest, _ in lengths), max(longest for _, longest in lengths)


def _string(schema: Mapping[str, Any]) -> Lengths:
    known = _FORMATS.get(str(schema.get("format")))
    if known is not None:
        return known + 2, known + 2
    shortest = int(schema.get("minLength") or _OPEN_STRING[0])
    return shortest + 2, max(shortest, int(schema.get("maxLength") or _OPEN_STRING[1])) + 2


def _array(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Lengths:
    shortest, longest = _lengths(schema.get("items"), root, depth + 1)
    min_items = int(schema.get("minItems") or 0)
    max_items = max(min_items, int(schema.get("maxItems") or _MAX_ITEMS))
    return 2 + min_items * (shortest + 2), 2 + max_items * (longest + 2)


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Lengths:
    required = schema.get("required") or ()
    min_length = max_length = 2
    for name, value in (schema.get("properties") or {}).items():
        shortest, longest = _lengths(value, root, depth + 1)
        key_length = len(str(name)) + 6  # quotes, colon, comma and spaces
        min_length += key_length + shortest if name in required else 0
        max_length += key_length + longest
    return min_length, max_length


def _resolve(reference: object, root: Mapping[str, Any]) -> Any:
    node: Any = root
    for part in str(reference).removeprefix("#").strip("/").split("/"):
        if not isinstance(node, Mapping):
            return None
        node = node.get(part.replace("~1", "/").replace("~0", "~"))
    return node
