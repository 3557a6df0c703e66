"""Values that match a JSON schema, chosen by the dice.

Covers what structured output allows: the scalar types, objects (required keys first), arrays,
enum, const, anyOf, allOf, local references, formats and simple patterns; and, for tools that are
not strict, numeric bounds and lengths.
"""

import json
import math
from typing import Any

from batcher.simulator.model.pattern import matching
from batcher.simulator.model.seeded_random import Dice
from batcher.simulator.model.text import sentence, words

Schema = dict[str, Any]
DEEPEST = 12
TRIES = 10


def value(schema: Schema, dice: Dice) -> Any:
    """Make one value that the schema accepts."""
    return _Writer(schema, dice).value(schema, "", 0)


class _Writer:
    def __init__(self, root: Schema, dice: Dice) -> None:
        self._root = root
        self._dice = dice

    def value(self, schema: Schema | bool, name: str, depth: int) -> Any:
        if isinstance(schema, bool):
            return words(self._dice, 1)
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._dice.pick(schema["enum"])
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
                return self._dice.chance(0.5)
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
        if depth >= DEEPEST:
            options = [option for option in options if "$ref" not in option] or options
        rest = {k: v for k, v in schema.items() if k != key}
        chosen = self._resolved(self._dice.pick(options))
        _merge(rest, chosen)
        return self.value(rest, name, depth)

    def _type(self, schema: Schema) -> str | None:
        kind = schema.get("type")
        if isinstance(kind, list):
            return str(self._dice.pick(kind))
        if kind is None and "properties" in schema:
            return "object"
        return kind

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties: dict[str, Schema] = schema.get("properties") or {}
        required = [key for key in properties if key in (schema.get("required") or ())]
        optional = [
            key
            for key in properties
            if key not in required and depth < DEEPEST and self._dice.chance(0.7)
        ]
        return {key: self.value(properties[key], key, depth + 1) for key in [*required, *optional]}

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        least = schema.get("minItems", 0)
        most = schema.get("maxItems", max(least, 3))
        length = least if depth >= DEEPEST else self._dice.between(least, max(least, most))
        items = schema.get("items", {"type": "string"})
        if not schema.get("uniqueItems"):
            return [self.value(items, name, depth + 1) for _ in range(length)]
        made: list[Any] = []
        for _ in range(TRIES * length):
            one = self.value(items, name, depth + 1)
            made += [one] if one not in made and len(made) < length else []
        return made

    def _integer(self, schema: Schema) -> int:
        low, high = _bounds(schema, 0, 10)
        step = schema.get("multipleOf", 1)
        return int(self._dice.between(math.ceil(low / step), math.floor(high / step)) * step)

    def _number(self, schema: Schema, name: str) -> float:
        is_share = any(word in name.lower() for word in ("confidence", "probability", "share"))
        low, high = _bounds(schema, 0, 1 if is_share else 100)
        return min(high, max(low, round(low + self._dice.share() * (high - low), 2)))

    def _string(self, schema: Schema, name: str) -> str:
        if "pattern" in schema:
            text = matching(schema["pattern"], self._dice)
            is_open = not schema["pattern"].endswith("$")
            return text.ljust(schema.get("minLength", 0) * is_open, "x")
        if "format" in schema:
            return _formatted(schema["format"], self._dice)
        long = any(word in name.lower() for word in ("summary", "why", "explanation", "comment"))
        text = sentence(self._dice) if long else words(self._dice, self._dice.between(1, 3))
        text = text.ljust(schema.get("minLength", 0), "x")
        longest: int | None = schema.get("maxLength")
        return text[:longest]


def resolve(root: Schema, reference: str) -> Schema:
    """Find what a local reference (``#/$defs/x``) points to; fails when there is none."""
    found: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        found = found[part.replace("~1", "/").replace("~0", "~")]
    if not isinstance(found, dict):
        raise TypeError(reference)
    return found


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


def _formatted(name: str, dice: Dice) -> str:
    day = f"{dice.between(2000, 2026)}-{dice.between(1, 12):02}-{dice.between(1, 28):02}"
    clock = f"{dice.below(24):02}:{dice.below(60):02}:{dice.below(60):02}Z"
    word = words(dice, 1)
    octets = [str(dice.between(1, 254)) for _ in range(4)]
    hexes = "".join(f"{dice.below(16):x}" for _ in range(32))
    made = {
        "date": day,
        "time": clock,
        "date-time": f"{day}T{clock}",
        "duration": f"P{dice.between(1, 30)}D",
        "email": f"{word}@example.com",
        "hostname": f"{word}.example.com",
        "uri": f"https://example.com/{word}",
        "ipv4": ".".join(octets),
        "ipv6": "2001:db8::" + hexes[:4],
        "uuid": f"{hexes[:8]}-{hexes[8:12]}-4{hexes[13:16]}-8{hexes[17:20]}-{hexes[20:]}",
    }
    return made.get(name, word)


def as_text(answer: Any) -> str:
    """Write a structured answer as JSON text."""
    return json.dumps(answer, ensure_ascii=False)
