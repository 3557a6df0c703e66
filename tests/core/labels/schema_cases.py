"""JSON Schemas of different shapes with their expected columns, and impossible schemas."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """A schema, its columns as short names, and values that it does not allow."""

    properties: dict[str, Any]
    columns: dict[str, str]
    wrong: tuple[dict[str, Any], ...] = ()
    more: tuple[tuple[str, Any], ...] = ()

    @property
    def schema(self) -> dict[str, Any]:
        """The whole schema; all properties are required unless ``more`` says otherwise."""
        base = {"type": "object", "required": list(self.properties), "properties": self.properties}
        return base | dict(self.more)


TEXT = {"type": "string"}
NUMBER = {"type": "number"}
INTEGER = {"type": "integer"}
POINT = {"type": "object", "required": ["x", "y"], "properties": {"x": NUMBER, "y": NUMBER}}
DEEP = {"type": "object", "properties": {"c": TEXT}}
XY = "struct<x:double,y:double>"


def text(**rules: Any) -> dict[str, Any]:
    """Return the schema of a text with rules."""
    return {**TEXT, **rules}


def listed(items: Any = TEXT, **rules: Any) -> dict[str, Any]:
    """Return the schema of a list with rules."""
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
    "a list of choices": Case(
        {"l": listed({"enum": ["A", "B"]}, uniqueItems=True)},
        {"l": "list<enum>"},
        ({"l": ["C"]}, {"l": ["A", "a"]}),
    ),
    "a nullable object": Case(
        {"p": {"anyOf": [POINT, {"type": "null"}]}}, {"p": XY}, ({"p": {"x": 1, "y": "2"}},)
    ),
    "choices of objects": Case(
        {"p": {"enum": [{"a": 1}, {"a": 2, "b": [1]}]}},
        {"p": "json"},
        ({"p": {"a": 3}}, {"p": {"a": 2, "b": [1, 1]}}),
    ),
    "a union with rules outside": Case(
        {"t": {**TEXT, "anyOf": [{"maxLength": 2}, {"pattern": "^x"}]}},
        {"t": "string"},
        ({"t": "abc"},),
    ),
    "all of references": Case(
        {"p": {"allOf": [{"$ref": "#/$defs/point"}, {"properties": {"x": {"minimum": 5}}}]}},
        {"p": XY},
        ({"p": {"x": 1, "y": 1}},),
        more=(("$defs", {"point": POINT}),),
    ),
    "a reference in a union": Case(
        {"p": {"anyOf": [{"$ref": "#point"}, {"type": "null"}]}, "q": {"$ref": "#/$defs/a~1b"}},
        {"p": XY, "q": "boolean"},
        more=(("$defs", {"point": {**POINT, "$anchor": "point"}, "a/b": {"type": "boolean"}}),),
    ),
    "keys that need others": Case(
        {"a": INTEGER, "b": INTEGER},
        {"a": "int64", "b": "int64"},
        ({"a": 1}, {}),
        more=(("required", []), ("dependentRequired", {"a": ["b"]}), ("minProperties", 1)),
    ),
    "keys by pattern": Case(
        {"n_a": INTEGER, "t": TEXT},
        {"n_a": "int64", "t": "string"},
        ({"n_a": -1, "t": ""},),
        more=(("patternProperties", {"^n_": {"minimum": 0}}),),
    ),
    "an entry that must be there": Case(
        {"l": listed(INTEGER, contains={"minimum": 10}, minContains=2)},
        {"l": "list<int64>"},
        ({"l": [1, 10]},),
    ),
    "a tuple and more": Case(
        {"l": {"type": "array", "prefixItems": [TEXT], "items": INTEGER}},
        {"l": "json"},
        ({"l": [1]}, {"l": ["a", "b"]}),
    ),
    "a format alone": Case({"d": {"format": "date"}}, {"d": "date"}, ({"d": 5},)),
    "a date or null": Case(
        {"d": text(format="date", type=["string", "null"])}, {"d": "date"}, ({"d": "soon"},)
    ),
    "dates or texts": Case(
        {"d": {"anyOf": [text(format="date"), {"enum": ["unknown"]}]}},
        {"d": "string"},
        ({"d": "soon"},),
    ),
    "at its top one of two": Case(
        {"a": TEXT, "b": TEXT},
        {"a": "string", "b": "string"},
        ({}, {"a": "1", "b": "1"}),
        more=(("required", []), ("oneOf", [{"required": ["a"]}, {"required": ["b"]}])),
    ),
}

IMPOSSIBLE: dict[str, tuple[Any, str]] = {
    "no properties": ({"type": "object"}, "object with properties"),
    "no object": ({"type": "array", "items": TEXT}, "object with properties"),
    "no schema": ({"properties": {"a": {"type": "nothing"}}}, "not a JSON Schema"),
    "a bad pattern": ({"properties": {"a": text(pattern="(")}}, "not a JSON Schema"),
    "an older draft": (
        {"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": TEXT}},
        "2020-12",
    ),
    "no type": ({"properties": {"a": {}}}, "a has no type"),
    "no entries": ({"properties": {"a": {"type": "array"}}}, "no schema for its entries"),
    "nothing fits": ({"properties": {"a": {"allOf": [TEXT, INTEGER]}}}, "allows no value"),
    "bounds that exclude each other": (
        {"properties": {"a": {"type": "integer", "minimum": 5, "maximum": 1}}},
        "allows no value",
    ),
    "two constants": (
        {"properties": {"a": {"allOf": [{"const": 1}, {"const": 2}]}}},
        "allows no value",
    ),
    "closed and required": (
        {
            "properties": {
                "a": {
                    "allOf": [
                        {
                            "type": "object",
                            "properties": {k: TEXT},
                            "required": [k],
                            "additionalProperties": False,
                        }
                        for k in "xy"
                    ]
                }
            }
        },
        "allows no value",
    ),
    "a class that is none": ({"properties": {"a": text(pattern="[[:alpha:]]")}}, "cannot be used"),
    "doubled by references": (
        {
            "properties": {"a": {"$ref": "#/$defs/d0"}},
            "$defs": {
                f"d{n}": {
                    "type": "object",
                    "required": ["x", "y"],
                    "properties": {key: {"$ref": f"#/$defs/d{n + 1}"} for key in "xy"},
                }
                for n in range(18)
            }
            | {"d18": TEXT},
        },
        "too large",
    ),
    "no choice": ({"properties": {"a": {"enum": []}}}, "allows no value"),
    "a map": (
        {"properties": {"a": {"type": "object", "additionalProperties": TEXT}}},
        "a is an object with arbitrary keys",
    ),
    "requires the unknown": ({"properties": {"a": TEXT}, "required": ["b"]}, "requires 'b'"),
    "points nowhere": ({"properties": {"a": {"$ref": "#/$defs/gone"}}}, "points to nothing"),
    "points out": ({"properties": {"a": {"$ref": "https://example.com/x"}}}, "points out"),
    "recursive": ({"properties": {"a": {"$ref": "#"}}}, "refers to itself"),
    "recursive at its top": ({"$ref": "#"}, "refers to itself"),
    "recursive by a name": (
        {
            "properties": {"a": {"$ref": "#node"}},
            "$defs": {"n": {"$anchor": "node", "properties": {"b": {"$ref": "#/$defs/n"}}}},
        },
        "refers to itself",
    ),
    "a column in one way only": (
        {"properties": {"a": TEXT}, "anyOf": [{"properties": {"b": TEXT}}, {"required": ["a"]}]},
        "'b' is a property in an alternative",
    ),
    "many optional": (
        {"properties": {f"p{n}": TEXT for n in range(25)}},
        "25 optional properties, and the API accepts 24: p0, p1",
    ),
    "many unions": (
        {
            "properties": {f"p{n}": {"type": ["string", "null"]} for n in range(17)},
            "required": [f"p{n}" for n in range(17)],
        },
        "17 places where a value may have several types",
    ),
    "large when written out": (
        {
            "properties": {"a": {"$ref": "#/$defs/d0", "description": "all of it"}},
            "$defs": {
                f"d{n}": {
                    "type": "object",
                    "properties": {
                        key: {"$ref": f"#/$defs/d{n + 1}", "description": key} for key in "xy"
                    },
                    "required": ["x", "y"],
                }
                for n in range(16)
            }
            | {"d16": TEXT},
        },
        "too large",
    ),
}
"""Invalid schemas and schemas that the API accepts in no form, with a part of the message."""
