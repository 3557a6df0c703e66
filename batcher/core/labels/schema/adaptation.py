"""One pass over a schema that makes the one to ask with, and notes what it had to leave out."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from batcher.core.labels.schema.choices import exactly, is_scalar
from batcher.core.labels.schema.keyword_text import (
    KEYWORDS,
    rules_of_any,
    rules_of_kind,
    unknown_keywords,
    worded,
)
from batcher.core.labels.schema.merging import ALSO, choices, is_impossible
from batcher.core.labels.schema.patterns import is_simple
from batcher.core.labels.schema.references import (
    SchemaError,
    alternatives,
    is_null,
    kind_of,
    referred,
    resolved,
)
from batcher.core.labels.schema.structured_output import FORMATS
from batcher.core.nearest import nearest

_KEPT = ("$comment", "title", "default", "examples")
_DEFINITION = re.compile(r"#/\$defs/([\w-]+)")
_MOST_NODES = 5_000
_OUTSIDE = ("not", "if", "then", "else", ALSO, "description")

_NO_TYPE = "says nothing of its type; the API wants one"
_MAP = (
    "is an object of any keys, which the API does not take: name the keys in properties, or make "
    "it a list of objects with a key and a value"
)


class Adapting:
    """What comes out while a schema is read: paths of what the API counts, and remarks."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._definitions: dict[str, Any] = {}
        self._nodes = 0
        self.optional: list[str] = []
        self.unions: list[str] = []
        self.left_to_us: list[str] = []
        self.remarks: list[str] = []

    def whole(self) -> dict[str, Any]:
        """Adapt the whole schema."""
        top = dict(resolved(self._root, self._root))
        ways = {key: top.pop(key) for key in ("anyOf", "oneOf") if key in top}
        words = [worded(ALSO, {key: value}) for key, value in ways.items()]
        made = self._node({**top, "type": "object"}, "", words)
        definitions = {"$defs": self._definitions} if self._definitions else {}
        return {**made, **definitions}

    def _node(self, schema: Any, path: str, words: Iterable[str] = ()) -> dict[str, Any]:
        """Adapt a subschema; ``path`` is empty at the top, ``words`` are what else it asks for."""
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise SchemaError("it is too large once references are put in place")
        if isinstance(schema, Mapping) and set(schema) == {"$ref"}:
            found = _DEFINITION.fullmatch(str(schema["$ref"]))
            if found is not None:
                return self._definition(found[1])
        schema = resolved(schema, self._root)
        if is_impossible(schema):
            raise SchemaError(f"{_named(path)} lets nothing be valid")
        self._note_unknown(schema, path)
        said = [*words, *rules_of_any(schema)]
        values = choices(schema)
        if values is not None:
            return self._choice(schema, values, path, said)
        inside = {k: v for k, v in schema.items() if k in KEYWORDS and k not in _OUTSIDE}
        ways = alternatives(inside, self._root)
        if ways is not None:
            return self._union(schema, ways, path, said)
        return self._plain(schema, path, said)

    def _definition(self, name: str) -> dict[str, Any]:
        reference = f"#/$defs/{name}"
        if name not in self._definitions:
            found = self._node(referred(reference, self._root), f"$defs.{name}")
            self._definitions[name] = found
        return {"$ref": reference}

    def _choice(
        self, schema: Mapping[str, Any], values: list[Any], path: str, words: list[str]
    ) -> dict[str, Any]:
        """A choice of some values; those that are no scalars become schemas of their own."""
        scalars = [value for value in values if is_scalar(value)]
        ways: list[dict[str, Any]] = []
        if scalars:
            ways.append({"const": scalars[0]} if "const" in schema else {"enum": scalars})
            kind = schema.get("type")
            if isinstance(kind, str):
                ways[0]["type"] = kind
        others = [value for value in values if not is_scalar(value)]
        ways += [exactly(value) for value in others]
        if any(isinstance(value, list) or _holds_list(value) for value in others):
            words = [*words, worded("enum", others)]
        for kind in ("string", "number", "array", "object"):
            words += [worded(*rule) for rule in rules_of_kind(kind, schema)]
        made = ways[0] if len(ways) == 1 else self._counted({"anyOf": ways}, path)
        return self._described(schema, made, path, words)

    def _union(
        self, schema: Mapping[str, Any], ways: list[Any], path: str, words: list[str]
    ) -> dict[str, Any]:
        if not ways:
            raise SchemaError(f"{_named(path)} lets nothing be valid")
        if "oneOf" in schema and "anyOf" not in schema and self._overlap(ways):
            words = [*words, worded("oneOf", None)]
        made: list[dict[str, Any]] = []
        is_one = sum(not is_null(way) for way in ways) == 1
        for number, way in enumerate(ways):
            one = self._node(way, path if is_one else f"{path}({number + 1})")
            made += [one] if one not in made else []
        if len(made) == 1:
            return self._described(schema, made[0], path, words)
        return self._described(schema, self._counted({"anyOf": made}, path), path, words)

    def _overlap(self, ways: list[Any]) -> bool:
        """Whether a value might fit two of them."""
        kinds = [kind_of(resolved(way, self._root)) for way in ways]
        kinds = ["number" if kind == "integer" else kind for kind in kinds]
        return len(set(kinds)) < len(kinds) or None in kinds

    def _plain(self, schema: Mapping[str, Any], path: str, words: list[str]) -> dict[str, Any]:
        """A schema of one type."""
        kind = kind_of(schema)
        if kind is None:
            raise SchemaError(f"{_named(path)} {_NO_TYPE}")
        made: dict[str, Any] = {"type": kind}
        told: list[str] = []
        if kind == "object":
            made |= self._object(schema, path)
        elif kind == "array":
            made |= self._array(schema, path)
        for keyword, value in rules_of_kind(kind, schema):
            if _is_taken(keyword, value):
                made[keyword] = value
            elif keyword == "format":
                told.append(worded(keyword, value))
                self.remarks.append(
                    f"{_named(path)}: nobody checks {told[-1]!r}; the model is told"
                )
            else:
                words = [*words, worded(keyword, value)]
        if schema.get("minItems", 0) > 0 and kind == "array":
            made["minItems"] = 1
        if "type" not in schema and kind not in ("object", "array"):
            self.remarks.append(
                f"{_named(path)}: taken to be of type {kind}, which it does not say"
            )
        return self._described(schema, made, path, words, told)

    def _object(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        properties = _properties(schema)
        others = schema.get("additionalProperties", schema.get("unevaluatedProperties", True))
        if not properties and (others is not False or "patternProperties" in schema):
            raise SchemaError(f"{_named(path)} {_MAP}")
        needed = [name for name in properties if name in (schema.get("required") or ())]
        missing = sorted(set(schema.get("required") or ()) - set(properties))
        if missing:
            raise SchemaError(
                f"{_named(path)} requires {missing[0]!r}, which properties does not describe"
            )
        if others is not False and (
            "additionalProperties" in schema or "patternProperties" in schema
        ):
            self.remarks.append(f"{_named(path)}: further keys are not asked for")
        optional = [name for name in properties if name not in needed]
        self.optional += [f"{path}.{name}".lstrip(".") for name in optional]
        made = {
            name: self._node(properties[name], f"{path}.{name}".lstrip("."))
            for name in [*needed, *optional]
        }
        return {"properties": made, "required": needed, "additionalProperties": False}

    def _array(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        first = list(schema.get("prefixItems") or ())
        items = schema.get("items")
        if isinstance(items, Mapping) and items:
            first.append(items)
        elif not first:
            raise SchemaError(f"{_named(path)} does not say what its entries are")
        elif items is False:
            self.left_to_us.append(f"{_named(path)}: {worded('maxItems', len(first))}")
        elif schema.get("maxItems", math.inf) > len(first):
            self.remarks.append(
                f"{_named(path)}: entries after the {len(first)} first are asked for like those"
            )
        if len(first) == 1:
            return {"items": self._node(first[0], f"{path}[]")}
        made = self._union({}, first, f"{path}[]", [])
        return {"items": made}

    def _counted(self, union: dict[str, Any], path: str) -> dict[str, Any]:
        self.unions.append(_named(path))
        return union

    def _note_unknown(self, schema: Mapping[str, Any], path: str) -> None:
        for key in unknown_keywords(schema):
            hint = nearest(key, KEYWORDS)
            said = f"{_named(path)}: {key} is no keyword of JSON Schema and checks nothing"
            self.remarks.append(f"{said}. {hint}" if hint else said)

    def _described(
        self,
        schema: Mapping[str, Any],
        made: dict[str, Any],
        path: str,
        words: Iterable[str],
        told: Iterable[str] = (),
    ) -> dict[str, Any]:
        """Add annotations, and what is left to us to the description, for the model to know.

        ``told`` is left to nobody.
        """
        words = list(dict.fromkeys(words))
        self.left_to_us += [f"{_named(path)}: {word}" for word in words]
        added = {key: schema[key] for key in (*_KEPT, "description") if key in schema}
        if "$ref" in made and (added or words or told):
            made = dict(self._definitions[made["$ref"].removeprefix("#/$defs/")])
        parts = [str(one["description"]) for one in (added, made) if one.get("description")]
        if rule := "; ".join([*words, *told]):
            parts.append(f"({rule})" if parts else rule[:1].upper() + rule[1:])
        if parts:
            added["description"] = " ".join(parts)
        return {**made, **added}


def _properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that an object may have, each with all that holds for its value."""
    found = {
        name: one for name, one in (schema.get("properties") or {}).items() if one is not False
    }
    for pattern, inner in (schema.get("patternProperties") or {}).items():
        for name, one in found.items():
            if re.search(pattern, name):
                found[name] = {"allOf": [one, inner]}
    return found


def _is_taken(keyword: str, value: Any) -> bool:
    """Whether the API holds the model to a rule; of those about numbers and lengths, to none."""
    match keyword:
        case "pattern":
            return is_simple(str(value))
        case "format":
            return value in FORMATS
        case _:
            return keyword == "minItems" and value == 1


def _holds_list(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_list(inner) for inner in value.values())
    return isinstance(value, list)


def _named(path: str) -> str:
    return path or "the answer"
