"""Generates JSON Schemas with valid values, and values that violate rules that are removed."""

import string
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

Values = SearchStrategy[Any]


@dataclass(frozen=True)
class GeneratedSchema:
    """A schema; ``right`` values fit it, ``wrong`` values violate a rule that the API ignores."""

    schema: dict[str, Any]
    right: Values
    wrong: Values | None = None


TEXTS = st.text(max_size=8)
DIGITS = st.integers(0, 255)


@st.composite
def integers(draw: DrawFn) -> GeneratedSchema:
    """Draw an integer with bounds, or a multiple."""
    low, step = draw(st.integers(-50, 50)), draw(st.integers(2, 9))
    high = low + draw(st.integers(0, 50))
    shape = draw(st.sampled_from(("free", "bounds", "exclusive", "multiple")))
    schema: dict[str, Any] = {"type": "integer"}
    if shape == "free":
        return GeneratedSchema(schema, st.integers(-(2**63), 2**63 - 1))
    if shape == "bounds":
        wrong = st.integers(high + 1, high + 99) | st.integers(low - 99, low - 1)
        return GeneratedSchema(
            {**schema, "minimum": low, "maximum": high}, st.integers(low, high), wrong
        )
    if shape == "exclusive":
        schema |= {"exclusiveMinimum": low - 1, "exclusiveMaximum": high + 1}
        return GeneratedSchema(schema, st.integers(low, high), st.sampled_from((low - 1, high + 1)))
    right = st.integers(-9, 9).map(lambda n: n * step)
    return GeneratedSchema({**schema, "multipleOf": step}, right, right.map(lambda n: n + 1))


@st.composite
def numbers(draw: DrawFn) -> GeneratedSchema:
    """Draw a number with bounds; integers are numbers too."""
    high = draw(st.integers(1, 10))
    right = st.floats(0, high) | st.integers(0, high)
    wrong = st.floats(high, 1e300, exclude_min=True) | st.integers(-99, -1)
    return GeneratedSchema({"type": "number", "minimum": 0, "maximum": high}, right, wrong)


@st.composite
def texts(draw: DrawFn) -> GeneratedSchema:
    """Draw a text with a length, or with a pattern that the API accepts or refuses."""
    most = draw(st.integers(2, 6))
    return draw(
        st.sampled_from(
            (
                GeneratedSchema({"type": "string"}, TEXTS),
                GeneratedSchema(
                    {"type": "string", "minLength": 1, "maxLength": most},
                    st.text(min_size=1, max_size=most),
                    st.text(min_size=most + 1, max_size=most + 9) | st.just(""),
                ),
                GeneratedSchema(
                    {"type": "string", "pattern": "^[a-c]{1,3}$"},
                    st.text("abc", min_size=1, max_size=3),
                ),
                GeneratedSchema(
                    {"type": "string", "pattern": "^(?!x)[a-z]+$"},
                    st.text("abc", min_size=1),
                    st.just("xa"),
                ),
                GeneratedSchema(
                    {"type": "string", "not": {"enum": ["no", "none"]}},
                    TEXTS.filter(lambda text: text not in ("no", "none")),
                    st.sampled_from(("no", "none")),
                ),
            )
        )
    )


OFFSETS = st.integers(-23, 23).map(lambda n: f"{n:+03}:30")
FORMATS = {
    "date": st.dates().map(str),
    "date-time": st.builds(
        lambda moment, zone: moment.replace(year=max(moment.year, 2)).isoformat() + zone,
        st.datetimes().map(lambda moment: moment.replace(year=min(moment.year, 9998), day=1)),
        OFFSETS | st.just("Z"),
    ),
    "uuid": st.uuids().map(str),
    "ipv4": st.tuples(DIGITS, DIGITS, DIGITS, DIGITS).map(lambda four: ".".join(map(str, four))),
    "email": st.text(string.ascii_letters, min_size=1).map(lambda name: f"{name}@example.com"),
}


def formats() -> SearchStrategy[GeneratedSchema]:
    """Draw a text in a format."""
    formats = (
        GeneratedSchema({"type": "string", "format": name}, right)
        for name, right in FORMATS.items()
    )
    return st.sampled_from(list(formats))


@st.composite
def choices(draw: DrawFn) -> GeneratedSchema:
    """Draw a choice of values, or a constant."""
    scalars = st.text(max_size=5) | st.integers(-5, 5) | st.none() | st.booleans()
    values = draw(st.lists(scalars, min_size=1, max_size=5, unique_by=lambda v: (type(v), v)))
    if draw(st.booleans()):
        return GeneratedSchema({"const": values[0]}, st.just(values[0]))
    return GeneratedSchema({"enum": values}, st.sampled_from(values))


@st.composite
def lists(draw: DrawFn, inner: SearchStrategy[GeneratedSchema]) -> GeneratedSchema:
    """Draw a list with bounds."""
    entry = draw(inner)
    least = draw(st.integers(0, 3))
    most = least + draw(st.integers(0, 2))
    schema = {"type": "array", "items": entry.schema, "minItems": least, "maxItems": most}
    right = st.lists(entry.right, min_size=least, max_size=most)
    wrong = st.lists(entry.right, min_size=most + 1, max_size=most + 2)
    if entry.wrong is not None and most:
        wrong |= st.tuples(entry.wrong, right).map(lambda pair: [pair[0], *pair[1]][:most])
    return GeneratedSchema(schema, right, wrong)


@st.composite
def tuples(draw: DrawFn, inner: SearchStrategy[GeneratedSchema]) -> GeneratedSchema:
    """Draw a pair; three entries are wrong."""
    one, two = draw(inner), draw(inner)
    schema = {
        "type": "array", "prefixItems": [one.schema, two.schema], "minItems": 2, "items": False
    }  # fmt: skip
    right = st.tuples(one.right, two.right).map(list)
    return GeneratedSchema(schema, right, right.map(lambda pair: [*pair, pair[0]]))


@st.composite
def nullables(draw: DrawFn, inner: SearchStrategy[GeneratedSchema]) -> GeneratedSchema:
    """Draw a nullable schema, in each notation."""
    one = draw(inner)
    schema: dict[str, Any] = {"anyOf": [one.schema, {"type": "null"}]}
    kind = one.schema.get("type")
    if isinstance(kind, str) and "not" not in one.schema and draw(st.booleans()):
        schema = {**one.schema, "type": [kind, "null"]}
    return GeneratedSchema(schema, one.right | st.none(), one.wrong)


@st.composite
def unions(draw: DrawFn) -> GeneratedSchema:
    """Draw a union of two types, in each notation."""
    one, two = draw(integers()), draw(texts())
    wrongs = [made.wrong for made in (one, two) if made.wrong is not None]
    key = draw(st.sampled_from(("anyOf", "oneOf")))
    wrong = st.one_of(wrongs) if wrongs else None
    return GeneratedSchema({key: [one.schema, two.schema]}, one.right | two.right, wrong)


DEPENDENT = {"items", "prefixItems", "properties", "additionalProperties"}
"""Keywords whose meaning depends on other keywords beside them."""


@st.composite
def joined(draw: DrawFn, inner: SearchStrategy[GeneratedSchema]) -> GeneratedSchema:
    """Split a schema into two parts of an allOf."""
    one = draw(inner)
    free = sorted(set(one.schema) - DEPENDENT)
    keys = draw(st.lists(st.sampled_from(free), unique=True)) if free else []
    rest = {key: value for key, value in one.schema.items() if key not in keys}
    part = {key: one.schema[key] for key in keys}
    return GeneratedSchema({"allOf": [part, rest]}, one.right, one.wrong)


def _breaking(right: dict[str, Values], wrong: dict[str, Values]) -> Values | None:
    broken = [st.fixed_dictionaries({**right, name: bad}) for name, bad in wrong.items()]
    return st.one_of(broken) if broken else None


@st.composite
def objects(draw: DrawFn, inner: SearchStrategy[GeneratedSchema]) -> GeneratedSchema:
    """Draw an object with some required keys, and perhaps a key that needs another key."""
    properties = draw(st.dictionaries(st.sampled_from("abcd"), inner, min_size=1, max_size=4))
    names = list(properties)
    required = draw(st.lists(st.sampled_from(names), unique=True))
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: made.schema for name, made in properties.items()},
        "required": required,
    }
    more = draw(st.sampled_from(({}, {"additionalProperties": False}, {"minProperties": 1})))
    rights = {name: made.right for name, made in properties.items()}
    right = st.fixed_dictionaries(
        {name: rights[name] for name in required},
        optional={name: rights[name] for name in names if name not in required},
    )
    if "minProperties" in more:
        right = right.filter(bool)
    wrongs = {name: made.wrong for name, made in properties.items() if made.wrong is not None}
    wrong = _breaking(rights, wrongs)
    if len(names) > 1 and not required and draw(st.booleans()):
        first, second = names[:2]
        more = {**more, "dependentRequired": {first: [second]}}
        right = right.filter(lambda value: first not in value or second in value)
        alone = st.fixed_dictionaries({first: rights[first]})
        wrong = alone if wrong is None else wrong | alone
    return GeneratedSchema({**schema, **more}, right, wrong)


SCALARS = st.one_of(integers(), numbers(), texts(), formats(), choices())
ANY = st.recursive(
    SCALARS | unions(),
    lambda inner: st.one_of(
        lists(inner), tuples(inner), nullables(inner), objects(inner), joined(inner)
    ),
    max_leaves=5,
)


@st.composite
def schemas(draw: DrawFn) -> GeneratedSchema:
    """Draw the schema of an answer; its properties may be in definitions."""
    made = draw(objects(ANY))
    schema = dict(made.schema)
    properties = dict(schema["properties"])
    definitions: dict[str, Any] = {}
    for name, one in properties.items():
        if draw(st.booleans()):
            definitions[f"def_{name}"] = one
            annotation = draw(st.sampled_from(({}, {"description": "It."})))
            properties[name] = {"$ref": f"#/$defs/def_{name}", **annotation}
    if definitions:
        schema["$defs"] = definitions
    return GeneratedSchema({**schema, "properties": properties}, made.right, made.wrong)
