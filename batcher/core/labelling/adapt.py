"""The user's JSON Schema as the API takes it: what it refuses is taken out and said in words.

What the API takes is in its documentation of structured outputs (October 2026): no bounds on
numbers and lengths, no recursion, ``additionalProperties: false`` everywhere, required keys first,
at most 24 optional properties and 16 unions. Answers are held against the user's own schema
afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batcher.core.labelling.references import SchemaError, resolved
from batcher.core.labelling.words import WORDS, worded
from batcher.core.request.refusal_rules.schema_references import is_recursive

MOST_OPTIONAL = 24
MOST_UNIONS = 16

_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_KEPT = ("$comment", "title", "default", "examples")
_HARD_PATTERN = ("(?=", "(?!", "(?<", "\\1", "\\2", "\\k", "\\b", "\\B")


@dataclass(frozen=True, slots=True)
class Adapted:
    """A schema as the API takes it, and in words what it leaves to us, each with its path."""

    schema: Mapping[str, Any]
    left_to_us: tuple[str, ...]


def adapt(schema: Mapping[str, Any]) -> Adapted:
    """Adapt an object's schema; SchemaError for what has no form that the API takes."""
    if is_recursive(schema):
        raise SchemaError("the schema refers to itself, which the API does not take")
    adapting = _Adapting(schema)
    made = adapting.node(schema, "")
    adapting.check_limits()
    return Adapted(made, tuple(adapting.said))


class _Adapting:
    """One pass over a schema."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._optional = 0
        self._unions = 0
        self.said: list[str] = []

    def check_limits(self) -> None:
        if self._optional > MOST_OPTIONAL:
            raise SchemaError(
                f"{self._optional} properties are optional, and the API takes {MOST_OPTIONAL}: "
                "require them and let them be null"
            )
        if self._unions > MOST_UNIONS:
            raise SchemaError(
                f"{self._unions} properties may be of several types; the API takes {MOST_UNIONS}"
            )

    def node(self, schema: Any, path: str) -> dict[str, Any]:
        """Adapt a subschema; ``path`` is empty at the top."""
        if schema is True or schema == {}:
            raise SchemaError(f"{path or 'the schema'} says nothing of its type")
        if not isinstance(schema, Mapping):
            raise SchemaError(f"{path or 'the schema'} lets nothing be valid")
        schema = resolved(schema, self._root)
        words: list[str] = []
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self._union(schema, keyword, path)
        kinds = schema.get("type")
        if isinstance(kinds, list | tuple):
            return self._of_several_types(schema, list(kinds), path)
        made = {key: schema[key] for key in _KEPT if key in schema}
        made |= self._values(schema, words, path)
        kind = kinds or self._implied(schema)
        if kind is not None:
            made["type"] = kind
        if kind == "object":
            made |= self._object(schema, path)
        elif kind == "array":
            made |= self._array(schema, words, path)
        if kind is None and not ({"enum", "const"} & made.keys()):
            raise SchemaError(f"{path or 'the schema'} says nothing of its type")
        self._say_rest(schema, made, words)
        return self._described(schema, made, words, path)

    def _union(self, schema: Mapping[str, Any], keyword: str, path: str) -> dict[str, Any]:
        self._unions += 1
        outer = {key: value for key, value in schema.items() if key not in (keyword, "description")}
        inherited = {key: value for key, value in outer.items() if key not in _KEPT}
        parts = []
        for number, part in enumerate(schema[keyword]):
            merged: dict[str, Any] = {}
            join(merged, inherited)
            join(merged, part)
            parts.append(self.node(merged, f"{path}.{keyword}[{number}]".lstrip(".")))
        is_one = keyword == "oneOf" and len(parts) > 1
        words = ["valid in only one of these ways"] if is_one else []
        return self._described(schema, {"anyOf": parts}, words, path)

    def _of_several_types(
        self, schema: Mapping[str, Any], kinds: list[str], path: str
    ) -> dict[str, Any]:
        rest = {key: value for key, value in schema.items() if key not in ("type", "description")}
        parts: list[dict[str, Any]] = [
            {**rest, "type": kind} if kind != "null" else {"type": "null"} for kind in kinds
        ]
        for part in parts:
            if "enum" in part:
                part["enum"] = [v for v in part["enum"] if _is_of(v, part["type"])] or part["enum"]
        if len(parts) == 1:
            return self.node({**parts[0], **_description(schema)}, path)
        return self._union({"anyOf": parts, **_description(schema)}, "anyOf", path)

    def _values(self, schema: Mapping[str, Any], words: list[str], path: str) -> dict[str, Any]:
        """Keep choices of scalars; choices of anything else become words."""
        made: dict[str, Any] = {}
        if "const" in schema:
            if isinstance(schema["const"], list | Mapping):
                words.append(worded("const", schema["const"]))
                made["type"] = "array" if isinstance(schema["const"], list) else "object"
            else:
                made["const"] = schema["const"]
        if "enum" in schema:
            values = list(schema["enum"])
            if not values:
                raise SchemaError(f"{path or 'the schema'} has no value to choose from")
            if any(isinstance(value, list | Mapping) for value in values):
                words.append(worded("enum", values))
            else:
                made["enum"] = values
        return made | self._texts(schema, words)

    def _texts(self, schema: Mapping[str, Any], words: list[str]) -> dict[str, Any]:
        """Keep simple patterns and known formats; others become words."""
        made: dict[str, Any] = {}
        pattern, form = schema.get("pattern"), schema.get("format")
        if isinstance(pattern, str):
            if any(hard in pattern for hard in _HARD_PATTERN):
                words.append(worded("pattern", pattern))
            else:
                made["pattern"] = pattern
        if isinstance(form, str):
            if form in _FORMATS:
                made["format"] = form
            else:
                words.append(worded("format", form))
        return made

    def _implied(self, schema: Mapping[str, Any]) -> str | None:
        if "properties" in schema:
            return "object"
        if "items" in schema or "prefixItems" in schema:
            return "array"
        for value in [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())]:
            if isinstance(value, list):
                return "array"
            if isinstance(value, Mapping):
                return "object"
        return None

    def _object(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        needed = [name for name in properties if name in (schema.get("required") or ())]
        optional = [name for name in properties if name not in needed]
        self._optional += len(optional)
        made = {
            name: self.node(properties[name], f"{path}.{name}".lstrip("."))
            for name in [*needed, *optional]
        }
        return {"properties": made, "required": needed, "additionalProperties": False}

    def _array(self, schema: Mapping[str, Any], words: list[str], path: str) -> dict[str, Any]:
        made: dict[str, Any] = {}
        items, first = schema.get("items"), schema.get("prefixItems")
        if isinstance(items, Mapping) and items:
            made["items"] = self.node(items, f"{path}[]")
        elif first:
            self._unions += 1
            made["items"] = {
                "anyOf": [self.node(one, f"{path}[{n}]") for n, one in enumerate(first)]
            }
        else:
            raise SchemaError(f"{path or 'the schema'} does not say what its entries are")
        least = schema.get("minItems", 0)
        if least:
            made["minItems"] = 1
        if least > 1:
            words.append(worded("minItems", least))
        return made

    def _say_rest(
        self, schema: Mapping[str, Any], made: Mapping[str, Any], words: list[str]
    ) -> None:
        """Put what is not in the adapted schema into words."""
        said = {"minItems", "pattern", "format", "const", "enum"}
        for keyword, value in schema.items():
            if keyword in made or keyword in said or keyword not in WORDS or value is False:
                continue
            words.append(worded(keyword, value))
        if schema.get("additionalProperties") not in (None, False) and "properties" in made:
            words.append("no keys but these")

    def _described(
        self, schema: Mapping[str, Any], made: dict[str, Any], words: list[str], path: str
    ) -> dict[str, Any]:
        """Add what is left to us to the description, for the model to know."""
        description = str(schema.get("description") or "")
        if words:
            self.said += [f"{path or 'the answer'}: {word}" for word in words]
            rule = "; ".join(words)
            description = f"{description.rstrip()} ({rule})" if description else rule.capitalize()
        return {**made, **({"description": description} if description else {})}


def join(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Join a schema that holds as well, as far as keys do not contradict each other."""
    for key, value in more.items():
        if key == "properties" and key in into:
            into[key] = {**into[key], **value}
        elif key == "required" and key in into:
            into[key] = [*into[key], *(name for name in value if name not in into[key])]
        elif key == "enum" and key in into:
            into[key] = [one for one in into[key] if one in value]
        elif key == "description" and into.get(key):
            into[key] = f"{into[key]} {value}"
        else:
            into[key] = value


def _description(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": schema["description"]} if "description" in schema else {}


def _is_of(value: object, kind: str) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer" | "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "null":
            return value is None
        case _:
            return True
