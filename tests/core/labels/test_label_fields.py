"""The short way to name fields is read as a schema, and its mistakes are said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.labels.labels import Labels
from batcher.core.labels.schema.fields import FieldsError, schema_of_fields


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("label: a|b", {"label": {"type": "string", "enum": ["a", "b"]}}),
        ('x: "a|b"|"c, d"| e f ', {"x": {"type": "string", "enum": ["a|b", "c, d", "e f"]}}),
        (r'x: "a\"b"', {"x": {"type": "string", "enum": ['a"b']}}),
        ("x float, y number", {"x": {"type": "number"}, "y": {"type": "number"}}),
        ("n int, ok boolean,", {"n": {"type": "integer"}, "ok": {"type": "boolean"}}),
        ("größe", {"größe": {"type": "string"}}),
        ("n: int", {"n": {"type": "integer"}}),
        (
            "when? date",
            {"when": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}},
        ),
        ("n float?", {"n": {"anyOf": [{"type": "number"}, {"type": "null"}]}}),
        ("at datetime", {"at": {"type": "string", "format": "date-time"}}),
        ("l list", {"l": {"type": "array", "items": {"type": "string"}}}),
        ("l: list of int", {"l": {"type": "array", "items": {"type": "integer"}}}),
        (
            "l list of a|b",
            {"l": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}},
        ),
    ],
)
def test_the_short_way_to_name_fields(text: str, wanted: dict[str, object]) -> None:
    """Names, choices, kinds, lists and what may be null; all of them required."""
    found = schema_of_fields(text)
    assert found["properties"] == wanted
    assert found["required"] == list(wanted)
    assert list(Labels.of(found).columns) == list(wanted)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no field"),
        (", a", "does not begin with a name"),
        ("1a int", "'1a int' does not begin with a name"),
        ("a: x|x", "a choice twice"),
        ("a: |", "an empty choice"),
        ("a: x||y", "an empty choice"),
        ("a:", "an empty choice"),
        ("a: x", "has one choice only, 'x'. Write : a|b|c"),
        ("a: itn", "Did you mean `int`?"),
        ("a flaot", "Did you mean `float`?"),
        ("a b", "there is no kind 'b'. Kinds: text"),
        ("a list of", "there is no kind 'list of'"),
        ("a int, a int", "'a' is there twice"),
        ('a: "x', "is not a text in quotes"),
    ],
)
def test_fields_that_make_no_sense(text: str, said: str) -> None:
    """Are said, with the field and what would be right."""
    with pytest.raises(FieldsError) as caught:
        schema_of_fields(text)
    assert said in str(caught.value)


@given(st.text(st.sampled_from('ab :|,"\\?1\n') | st.characters(codec="utf-8"), max_size=30))
def test_any_text_is_fields_or_a_mistake(text: str) -> None:
    """Never another error, and never a schema that cannot be asked for."""
    try:
        schema = schema_of_fields(text)
    except FieldsError:
        return
    Labels.of(schema, "text")
