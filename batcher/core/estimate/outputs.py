"""How long answers may be, when none was seen: what their schema and ``max_tokens`` let expect."""

import json
from collections.abc import Mapping
from typing import Any

from batcher.core.estimate.evidence import OutputRange
from batcher.core.request.models import ModelFacts

# Characters a token of JSON, at most and at least; the published mean of text is 2.5 to 3.4.
_MOST_CHARACTERS = 4.5
_LEAST_CHARACTERS = 2.0
_LEAST_TOKENS = 3.0  # an empty answer counts 2 or 3
_END_TOKENS = 2.0

_OPEN_STRING = (2, 400)
_MOST_ITEMS = 12
_MOST_DEPTH = 8
_FORMATS = {"date": 10, "time": 9, "date-time": 20, "uuid": 36, "ipv4": 15, "duration": 10}
_SCALARS = {"boolean": (4, 5), "null": (4, 4), "integer": (1, 7), "number": (1, 10)}

Lengths = tuple[int, int]


def output_range(settings: Mapping[str, Any], facts: ModelFacts | None) -> OutputRange:
    """Bound the mean output tokens of requests with these settings, from both sides.

    The upper end is ``max_tokens``, unless a schema without open strings ends sooner and the model
    does not think first. Thinking may be anything up to ``max_tokens``.
    """
    most = max(_LEAST_TOKENS, float(settings["max_tokens"]))
    schema = _schema(settings)
    low, high = _LEAST_TOKENS, most
    if schema is not None:
        least, longest = _lengths(schema, schema, 0)
        low = _END_TOKENS + least / _MOST_CHARACTERS
        if not _thinks(settings, facts):
            high = _END_TOKENS + longest / _LEAST_CHARACTERS
    low = min(max(_LEAST_TOKENS, low), most)
    return OutputRange(low, min(max(low, high), most))


def _schema(settings: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema that the answer has to follow: its format's, or that of a tool it has to call."""
    config = settings.get("output_config")
    form = config.get("format") if isinstance(config, Mapping) else None
    schema = form.get("schema") if isinstance(form, Mapping) else None
    choice = settings.get("tool_choice")
    if schema is None and isinstance(choice, Mapping) and choice.get("type") == "tool":
        tools = settings.get("tools") or ()
        schema = next((t.get("input_schema") for t in tools if t["name"] == choice["name"]), None)
    return schema if isinstance(schema, Mapping) else None


def _thinks(settings: Mapping[str, Any], facts: ModelFacts | None) -> bool:
    thinking = settings.get("thinking")
    if isinstance(thinking, Mapping):
        return thinking.get("type") in ("adaptive", "enabled")
    return facts is None or facts.thinking_default != "off"


def _lengths(schema: Any, root: Mapping[str, Any], depth: int) -> Lengths:
    """The least and the most characters of a plausible value, as JSON."""
    if not isinstance(schema, Mapping) or depth > _MOST_DEPTH:
        return _OPEN_STRING
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if values:
        lengths = [len(json.dumps(value, ensure_ascii=False)) for value in values]
        return min(lengths), max(lengths)
    if "$ref" in schema:
        return _lengths(_referred(schema["$ref"], root), root, depth + 1)
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return _widest([_lengths(part, root, depth + 1) for part in schema[key]])
    kinds = schema.get("type")
    if isinstance(kinds, list | tuple) and kinds:
        each = [_lengths({**schema, "type": kind}, root, depth + 1) for kind in kinds]
        return _widest(each)
    if kinds == "object" or "properties" in schema:
        return _object(schema, root, depth)
    if kinds == "array":
        return _array(schema, root, depth)
    return _SCALARS.get(str(kinds)) or _string(schema)


def _widest(lengths: list[Lengths]) -> Lengths:
    return min(least for least, _ in lengths), max(most for _, most in lengths)


def _string(schema: Mapping[str, Any]) -> Lengths:
    known = _FORMATS.get(str(schema.get("format")))
    if known is not None:
        return known + 2, known + 2
    least = int(schema.get("minLength") or _OPEN_STRING[0])
    return least + 2, max(least, int(schema.get("maxLength") or _OPEN_STRING[1])) + 2


def _array(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Lengths:
    least, most = _lengths(schema.get("items"), root, depth + 1)
    fewest = int(schema.get("minItems") or 0)
    many = max(fewest, int(schema.get("maxItems") or _MOST_ITEMS))
    return 2 + fewest * (least + 2), 2 + many * (most + 2)


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Lengths:
    required = schema.get("required") or ()
    least = most = 2
    for name, value in (schema.get("properties") or {}).items():
        shortest, longest = _lengths(value, root, depth + 1)
        frame = len(str(name)) + 6
        least += frame + shortest if name in required else 0
        most += frame + longest
    return least, most


def _referred(reference: object, root: Mapping[str, Any]) -> Any:
    node: Any = root
    for part in str(reference).removeprefix("#").strip("/").split("/"):
        if not isinstance(node, Mapping):
            return None
        node = node.get(part.replace("~1", "/").replace("~0", "~"))
    return node
