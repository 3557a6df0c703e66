"""Adapts a schema to what the API accepts in one pass, and notes every rule that it removes."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from batcher.core.labels.schema.keyword_text import (
    KEYWORDS,
    describe,
    rules_of_any_type,
    rules_of_type,
    unknown_keywords,
)
from batcher.core.labels.schema.merging import ALSO, choices, is_impossible
from batcher.core.labels.schema.references import (
    SchemaError,
    alternatives,
    is_null,
    kind_of,
    referred,
    resolved,
)
from batcher.core.labels.schema.structured_output import (
    FORMATS,
    exact_schema,
    is_accepted_choice,
    is_accepted_pattern,
)
from batcher.core.nearest import nearest

_KEPT = ("$comment", "title", "default", "examples")
_DEFINITION = re.compile(r"#/\$defs/([\w-]+)")
_MAX_NODES = 5_000
_OUTSIDE = ("not", "if", "then", "else", ALSO, "description")

_NO_TYPE = "has no type, and the API requires one"
_MAP = (
    "is an object with arbitrary keys, which the API does not accept: list the keys in "
    "properties, or use a list of objects with a key and a value"
)


class SchemaAdapter:
    """Adapts one schema; collects the paths of what the API limits, removed rules and remarks."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._definitions: dict[str, Any] = {}
        self._nodes = 0
        self.optional: list[str] = []
        self.unions: list[str] = []
        self.local_rules: list[str] = []
        self.remarks: list[str] = []

    def adapt(self) -> dict[str, Any]:
        """Adapt the whole schema."""
        top = dict(resolved(self._root, self._root))
        unions = {key: top.pop(key) for key in ("anyOf", "oneOf") if key in top}
        rules = [describe(ALSO, {key: value}) for key, value in unions.items()]
        adapted = self._node({**top, "type": "object"}, "", rules)
        definitions = {"$defs": self._definitions} if self._definitions else {}
        return {**adapted, **definitions}

    def _node(self, schema: Any, path: str, rules: Iterable[str] = ()) -> dict[str, Any]:
        """Adapt a subschema; ``path`` is empty at the top, ``rules`` are more rules in words."""
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise SchemaError("it is too large when its references are resolved")
        if isinstance(schema, Mapping) and set(schema) == {"$ref"}:
            definition = _DEFINITION.fullmatch(str(schema["$ref"]))
            if definition is not None:
                return self._definition(definition[1])
        schema = resolved(schema, self._root)
        if is_impossible(schema):
            raise SchemaError(f"{_named(path)} allows no value")
        self._note_unknown(schema, path)
        rules = [*rules, *rules_of_any_type(schema)]
        values = choices(schema)
        if values is not None:
            return self._choice(schema, values, path, rules)
        inside = {k: v for k, v in schema.items() if k in KEYWORDS and k not in _OUTSIDE}
        options = alternatives(inside, self._root)
        if options is not None:
            return self._union(schema, options, path, rules)
        return self._plain(schema, path, rules)

    def _definition(self, name: str) -> dict[str, Any]:
        reference = f"#/$defs/{name}"
        if name not in self._definitions:
            definition = referred(reference, self._root)
            self._definitions[name] = self._node(definition, f"$defs.{name}")
        return {"$ref": reference}

    def _choice(
        self, schema: Mapping[str, Any], values: list[Any], path: str, rules: list[str]
    ) -> dict[str, Any]:
        """Adapt a choice of values; lists and objects become schemas of their own."""
        scalars = [value for value in values if is_accepted_choice(value)]
        options: list[dict[str, Any]] = []
        if scalars:
            options.append({"const": scalars[0]} if "const" in schema else {"enum": scalars})
            kind = schema.get("type")
            if isinstance(kind, str):
                options[0]["type"] = kind
        others = [value for value in values if not is_accepted_choice(value)]
        options += [exact_schema(value) for value in others]
        if any(isinstance(value, list) or _holds_list(value) for value in others):
            rules = [*rules, describe("enum", others)]
        for kind in ("string", "number", "array", "object"):
            rules += [describe(*rule) for rule in rules_of_type(kind, schema)]
        adapted = options[0] if len(options) == 1 else self._counted({"anyOf": options}, path)
        return self._described(schema, adapted, path, rules)

    def _union(
        self, schema: Mapping[str, Any], options: list[Any], path: str, rules: list[str]
    ) -> dict[str, Any]:
        if not options:
            raise SchemaError(f"{_named(path)} allows no value")
        if "oneOf" in schema and "anyOf" not in schema and self._overlap(options):
            rules = [*rules, describe("oneOf", None)]
        adapted: list[dict[str, Any]] = []
        is_single = sum(not is_null(option) for option in options) == 1
        for number, option in enumerate(options, 1):
            node = self._node(option, path if is_single else f"{path}({number})")
            adapted += [node] if node not in adapted else []
        if len(adapted) == 1:
            return self._described(schema, adapted[0], path, rules)
        return self._described(schema, self._counted({"anyOf": adapted}, path), path, rules)

    def _overlap(self, options: list[Any]) -> bool:
        """Whether a value might fit two alternatives of a union."""
        kinds = [kind_of(resolved(option, self._root)) for option in options]
        kinds = ["number" if kind == "integer" else kind for kind in kinds]
        return len(set(kinds)) < len(kinds) or None in kinds

    def _plain(self, schema: Mapping[str, Any], path: str, rules: list[str]) -> dict[str, Any]:
        """Adapt a schema of one type."""
        kind = kind_of(schema)
        if kind is None:
            raise SchemaError(f"{_named(path)} {_NO_TYPE}")
        adapted: dict[str, Any] = {"type": kind}
        unchecked: list[str] = []
        if kind == "object":
            adapted |= self._object(schema, path)
        elif kind == "array":
            adapted |= self._array(schema, path)
        for keyword, value in rules_of_type(kind, schema):
            if _is_enforced(keyword, value):
                adapted[keyword] = value
            elif keyword == "format":
                unchecked.append(describe(keyword, value))
                self.remarks.append(
                    f"{_named(path)}: {unchecked[-1]!r} is not checked; the model only reads it"
                )
            else:
                rules = [*rules, describe(keyword, value)]
        if schema.get("minItems", 0) > 0 and kind == "array":
            adapted["minItems"] = 1
        if "type" not in schema and kind not in ("object", "array"):
            self.remarks.append(f"{_named(path)}: has no type; {kind} is assumed")
        return self._described(schema, adapted, path, rules, unchecked)

    def _object(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        properties = _properties(schema)
        further = schema.get("additionalProperties", schema.get("unevaluatedProperties", True))
        if not properties and (further is not False or "patternProperties" in schema):
            raise SchemaError(f"{_named(path)} {_MAP}")
        required = [name for name in properties if name in (schema.get("required") or ())]
        missing = sorted(set(schema.get("required") or ()) - set(properties))
        if missing:
            raise SchemaError(
                f"{_named(path)} requires {missing[0]!r}, which properties does not describe"
            )
        if further is not False and (
            "additionalProperties" in schema or "patternProperties" in schema
        ):
            self.remarks.append(f"{_named(path)}: further keys are allowed, but not requested")
        optional = [name for name in properties if name not in required]
        self.optional += [f"{path}.{name}".lstrip(".") for name in optional]
        adapted = {
            name: self._node(properties[name], f"{path}.{name}".lstrip("."))
            for name in [*required, *optional]
        }
        return {"properties": adapted, "required": required, "additionalProperties": False}

    def _array(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        entries = list(schema.get("prefixItems") or ())
        items = schema.get("items")
        if isinstance(items, Mapping) and items:
            entries.append(items)
        elif not entries:
            raise SchemaError(f"{_named(path)} has no schema for its entries (items)")
        elif items is False:
            self.local_rules.append(f"{_named(path)}: {describe('maxItems', len(entries))}")
        elif schema.get("maxItems", math.inf) > len(entries):
            count = len(entries)
            self.remarks.append(
                f"{_named(path)}: further entries are requested like the first {count}"
            )
        if len(entries) == 1:
            return {"items": self._node(entries[0], f"{path}[]")}
        return {"items": self._union({}, entries, f"{path}[]", [])}

    def _counted(self, union: dict[str, Any], path: str) -> dict[str, Any]:
        self.unions.append(_named(path))
        return union

    def _note_unknown(self, schema: Mapping[str, Any], path: str) -> None:
        for key in unknown_keywords(schema):
            hint = nearest(key, KEYWORDS)
            remark = f"{_named(path)}: {key} is not a JSON Schema keyword and has no effect"
            self.remarks.append(f"{remark}; {hint}" if hint else remark)

    def _described(
        self,
        schema: Mapping[str, Any],
        adapted: dict[str, Any],
        path: str,
        rules: Iterable[str],
        unchecked: Iterable[str] = (),
    ) -> dict[str, Any]:
        """Add the annotations, and the removed rules as description, which the model reads.

        Batcher checks ``rules`` itself; nothing checks the ``unchecked`` ones.
        """
        rules = list(dict.fromkeys(rules))
        self.local_rules += [f"{_named(path)}: {rule}" for rule in rules]
        added = {key: schema[key] for key in (*_KEPT, "description") if key in schema}
        if "$ref" in adapted and (added or rules or unchecked):
            adapted = dict(self._definitions[adapted["$ref"].removeprefix("#/$defs/")])
        parts = [str(part["description"]) for part in (added, adapted) if part.get("description")]
        if text := "; ".join([*rules, *unchecked]):
            parts.append(f"({text})" if parts else text[:1].upper() + text[1:])
        if parts:
            added["description"] = " ".join(parts)
        return {**adapted, **added}


def _properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties of an object, each with all schemas that its value must fit."""
    properties = {
        name: inner
        for name, inner in (schema.get("properties") or {}).items()
        if inner is not False
    }
    for pattern, more in (schema.get("patternProperties") or {}).items():
        for name, inner in properties.items():
            if re.search(pattern, name):
                properties[name] = {"allOf": [inner, more]}
    return properties


def _is_enforced(keyword: str, value: Any) -> bool:
    """Whether the API enforces a rule; it enforces none about numbers and lengths."""
    match keyword:
        case "pattern":
            return is_accepted_pattern(str(value))
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
