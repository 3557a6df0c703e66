"""Thirty JSON Schemas of different shape, with the columns that each has to give."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """A schema, its columns as short names, and values that it does not let through."""

    properties: dict[str, Any]
    columns: dict[str, str]
    wrong: tuple[dict[str, Any], ...] = ()
    more: tuple[tuple[str, Any], ...] = ()

    @property
    def schema(self) -> dict[str, Any]:
        """The whole schema; all properties are required unless it says otherwise."""
        base = {"type": "object", "required": list(self.properties), "properties": self.properties}
        return base | dict(self.more)


TEXT = {"type": "string"}
NUMBER = {"type": "number"}
INTEGER = {"type": "integer"}
POINT = {"type": "object", "required": ["x", "y"], "properties": {"x": NUMBER, "y": NUMBER}}
DEEP = {"type": "object", "properties": {"c": TEXT}}
XY = "struct<x:double,y:double>"


def text(**rules: Any) -> dict[str, Any]:
    """A text with rules."""
    return {**TEXT, **rules}


def listed(items: Any = TEXT, **rules: Any) -> dict[str, Any]:
    """A list with rules."""
    return {"type": "array", "items": items, **rules}


CASES: dict[str, Case] = {
    "one label": Case({"label": {"enum": ["a", "b"]}}, {"label": "enum"}, ({"label": "c"},)),
    "odd choices": Case({"x": {"enum": ["C++", "c, or b", "ünïcode", 'quo"te']}}, {"x": "enum"}),
    "choices of integers": Case({"n": {"enum": [1, 2, 3]}}, {"n": "int64"}, ({"n": 4},)),
    "choices of several kinds": Case({"x": {"enum": [1, "a", None]}}, {"x": "json"}),
    "a constant": Case({"x": {"const": "report"}}, {"x": "enum"}, ({"x": "other"},)),
    "plain kinds": Case(
        {"t": TEXT, "i": INTEGER, "n": NUMBER, "b": {"type": "boolean"}},
        {"t": "string", "i": "int64", "n": "double", "b": "boolean"},
        ({"t": 1, "i": 1, "n": 1.5, "b": True}, {"t": "a", "i": 1.5, "n": 1.5, "b": True}),
    ),
    "bounds": Case({"n": {**NUMBER, "minimum": 0, "maximum": 1}}, {"n": "double"}, ({"n": 2.5},)),
    "exclusive bounds": Case(
        {"n": {**INTEGER, "exclusiveMinimum": 0, "exclusiveMaximum": 10}},
        {"n": "int64"},
        ({"n": 0}, {"n": 10}),
    ),
    "multiples": Case({"n": {**INTEGER, "multipleOf": 5}}, {"n": "int64"}, ({"n": 7},)),
    "lengths": Case(
        {"t": text(minLength=2, maxLength=5)}, {"t": "string"}, ({"t": "a"}, {"t": "abcdef"})
    ),
    "a simple pattern": Case({"t": text(pattern="^[A-Z]{3}$")}, {"t": "string"}, ({"t": "abc"},)),
    "a hard pattern": Case({"t": text(pattern="^(?!x)[a-z]+$")}, {"t": "string"}, ({"t": "xa"},)),
    "dates": Case(
        {"d": text(format="date"), "m": text(format="date-time")},
        {"d": "date", "m": "timestamp"},
        ({"d": "2026-02-30", "m": "2026-01-01T00:00:00Z"},),
    ),
    "other formats": Case(
        {"e": text(format="email"), "i": text(format="ipv4")},
        {"e": "string", "i": "string"},
        ({"e": "nobody", "i": "1.2.3.4"}, {"e": "a@b.c", "i": "1.2.3"}),
    ),
    "an unknown format": Case({"p": text(format="phone")}, {"p": "string"}),
    "a list": Case({"l": listed()}, {"l": "list<string>"}, ({"l": [1]},)),
    "a bounded list": Case(
        {"l": listed(minItems=2, maxItems=3, uniqueItems=True)},
        {"l": "list<string>"},
        ({"l": ["a"]}, {"l": ["a", "a"]}, {"l": ["a", "b", "c", "d"]}),
    ),
    "a list of objects": Case({"l": listed(POINT)}, {"l": f"list<{XY}>"}),
    "a tuple": Case(
        {"l": {"type": "array", "prefixItems": [TEXT, INTEGER], "maxItems": 2}},
        {"l": "json"},
        ({"l": [1, 1]},),
    ),
    "an object in it": Case({"p": POINT}, {"p": XY}, ({"p": {"x": 1}},)),
    "three levels": Case(
        {"a": {"type": "object", "properties": {"b": DEEP}}}, {"a": "struct<b:struct<c:string>>"}
    ),
    "nullable by type": Case({"t": {"type": ["string", "null"]}}, {"t": "string"}, ({"t": 1},)),
    "nullable by union": Case(
        {"n": {"anyOf": [{**INTEGER, "minimum": 3}, {"type": "null"}]}},
        {"n": "int64"},
        ({"n": 2},),
    ),
    "a union of kinds": Case({"x": {"type": ["string", "number"]}}, {"x": "json"}, ({"x": True},)),
    "one of": Case(
        {"x": {"oneOf": [INTEGER, {**NUMBER, "minimum": 100}]}}, {"x": "double"}, ({"x": 200},)
    ),
    "a reference": Case(
        {"a": {"$ref": "#/$defs/point"}, "b": {"$ref": "#/$defs/point", "description": "the end"}},
        {"a": XY, "b": XY},
        more=(("$defs", {"point": POINT}),),
    ),
    "all of": Case({"t": {"allOf": [TEXT, {"maxLength": 3}]}}, {"t": "string"}, ({"t": "abcd"},)),
    "optional": Case(
        {"a": TEXT, "b": INTEGER}, {"a": "string", "b": "int64"}, more=(("required", ["b"]),)
    ),
    "any further keys": Case({"a": TEXT}, {"a": "string"}, more=(("additionalProperties", TEXT),)),
    "conditions": Case(
        {"kind": {"enum": ["x", "y"]}, "why": {"type": ["string", "null"]}},
        {"kind": "enum", "why": "string"},
        ({"kind": "x", "why": None},),
        more=(
            ("if", {"properties": {"kind": {"const": "x"}}}),
            ("then", {"properties": {"why": TEXT}}),
        ),
    ),
    "not": Case({"t": text(**{"not": {"enum": ["no"]}})}, {"t": "string"}, ({"t": "no"},)),
}
