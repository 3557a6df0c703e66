"""Random values that match a JSON schema.

Supports what structured output allows: the scalar types, objects (required keys first), arrays,
enum, const, anyOf, allOf, local references, formats and simple patterns. For tools that are not
strict it also follows numeric bounds and lengths.
"""

import json
import math
from typing import Any

from batcher.simulator.model.pattern import text_matching
from batcher.simulator.model.seeded_random import SeededRandom
from batcher.simulator.model.text import sentence, words

Schema = dict[str, Any]
MAX_DEPTH = 12
"""From this depth on, optional properties are left out and recursion ends."""
TRIES_PER_ITEM = 10
FRACTION_NAMES = ("confidence", "probability", "share")
SENTENCE_NAMES = ("summary", "why", "explanation", "comment")


def value_for(schema: Schema, rng: SeededRandom) -> Any:
    """Return a random value that matches the schema."""
    return _Generator(schema, rng).value(schema, "", 0)


class _Generator:
    """Makes values for the parts of one schema; ``name`` is the property's key."""

    def __init__(self, root: Schema, rng: SeededRandom) -> None:
        self._root = root
        self._rng = rng

    def value(self, schema: Schema | bool, name: str, depth: int) -> Any:
        if isinstance(schema, bool):
            return words(self._rng, 1)
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._rng.pick(schema["enum"])
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self._alternative(schema, key, name, depth)
        kind = self._type(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        return self._scalar(kind, schema, name)

    def _scalar(self, kind: str | None, schema: Schema, name: str) -> Any:
        match kind:
            case "integer":
                return self._integer(schema)
            case "number":
                return self._number(schema, name)
            case "boolean":
                return self._rng.chance(0.5)
            case "null":
                return None
            case _:
                return self._string(schema, name)

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema or "allOf" in schema:
            merged = {k: v for k, v in schema.items() if k not in ("$ref", "allOf")}
            parts = [*schema.get("allOf", ())]
            if "$ref" in schema:
                parts.append(resolve(self._root, schema["$ref"]))
            for part in parts:
                _merge(merged, part)
            schema = merged
        return schema

    def _alternative(self, schema: Schema, key: str, name: str, depth: int) -> Any:
        options = schema[key]
        if depth >= MAX_DEPTH:
            options = [option for option in options if "$ref" not in option] or options
        rest = {k: v for k, v in schema.items() if k != key}
        chosen = self._resolved(self._rng.pick(options))
        _merge(rest, chosen)
        return self.value(rest, name, depth)

    def _type(self, schema: Schema) -> str | None:
        kind = schema.get("type")
        if isinstance(kind, list):
            return str(self._rng.pick(kind))
        if kind is None and "properties" in schema:
            return "object"
        return kind

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties: dict[str, Schema] = schema.get("properties") or {}
        required = [key for key in properties if key in (schema.get("required") or ())]
        optional = [
            key
            for key in properties
            if key not in required and depth < MAX_DEPTH and self._rng.chance(0.7)
        ]
        return {key: self.value(properties[key], key, depth + 1) for key in [*required, *optional]}

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        minimum = schema.get("minItems", 0)
        maximum = max(minimum, schema.get("maxItems", 3))
        length = minimum if depth >= MAX_DEPTH else self._rng.between(minimum, maximum)
        items = schema.get("items", {"type": "string"})
        if not schema.get("uniqueItems"):
            return [self.value(items, name, depth + 1) for _ in range(length)]
        unique: list[Any] = []
        for _ in range(TRIES_PER_ITEM * length):
            item = self.value(items, name, depth + 1)
            unique += [item] if item not in unique and len(unique) < length else []
        return unique

    def _integer(self, schema: Schema) -> int:
        low, high = _bounds(schema, 0, 10)
        step = schema.get("multipleOf", 1)
        return int(self._rng.between(math.ceil(low / step), math.floor(high / step)) * step)

    def _number(self, schema: Schema, name: str) -> float:
        is_fraction = any(word in name.lower() for word in FRACTION_NAMES)
        low, high = _bounds(schema, 0, 1 if is_fraction else 100)
        return min(high, max(low, round(low + self._rng.fraction() * (high - low), 2)))

    def _string(self, schema: Schema, name: str) -> str:
        if "pattern" in schema:
            text = text_matching(schema["pattern"], self._rng)
            is_open = not schema["pattern"].endswith("$")
            return text.ljust(schema.get("minLength", 0) * is_open, "x")
        if "format" in schema:
            return _formatted(schema["format"], self._rng)
        is_sentence = any(word in name.lower() for word in SENTENCE_NAMES)
        text = sentence(self._rng) if is_sentence else words(self._rng, self._rng.between(1, 3))
        text = text.ljust(schema.get("minLength", 0), "x")
        max_length: int | None = schema.get("maxLength")
        return text[:max_length]


def resolve(root: Schema, reference: str) -> Schema:
    """Return the schema that a local reference (``#/$defs/x``) points to.

    Raise LookupError or TypeError when there is none.
    """
    target: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        target = target[part.replace("~1", "/").replace("~0", "~")]
    if not isinstance(target, dict):
        raise TypeError(reference)
    return target


def _merge(into: Schema, part: Schema) -> None:
    for key, added in part.items():
        if key == "properties" and key in into:
            into[key] = into[key] | added
        elif key == "required" and key in into:
            into[key] = [*into[key], *(name for name in added if name not in into[key])]
        else:
            into[key] = added


def _bounds(schema: Schema, low: float, high: float) -> tuple[float, float]:
    step = 1 if schema.get("type") == "integer" else 0.01
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + step
    low = schema.get("minimum", low)
    high = max(high, low + high)
    if "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - step
    high = schema.get("maximum", high)
    return min(low, high), high


def _formatted(name: str, rng: SeededRandom) -> str:
    day = f"{rng.between(2000, 2026)}-{rng.between(1, 12):02}-{rng.between(1, 28):02}"
    clock = f"{rng.below(24):02}:{rng.below(60):02}:{rng.below(60):02}Z"
    word = words(rng, 1)
    octets = [str(rng.between(1, 254)) for _ in range(4)]
    hexes = "".join(f"{rng.below(16):x}" for _ in range(32))
    formats = {
        "date": day,
        "time": clock,
        "date-time": f"{day}T{clock}",
        "duration": f"P{rng.between(1, 30)}D",
        "email": f"{word}@example.com",
        "hostname": f"{word}.example.com",
        "uri": f"https://example.com/{word}",
        "ipv4": ".".join(octets),
        "ipv6": "2001:db8::" + hexes[:4],
        "uuid": f"{hexes[:8]}-{hexes[8:12]}-4{hexes[13:16]}-8{hexes[17:20]}-{hexes[20:]}",
    }
    return formats.get(name, word)


def as_json_text(answer: Any) -> str:
    """Return a structured answer as JSON text."""
    return json.dumps(answer, ensure_ascii=False)
