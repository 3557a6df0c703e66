"""The short form of fields becomes a schema, and mistakes in it have clear messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.labels.labels import Labels
from batcher.core.labels.schema.fields import FieldsError, schema_of_fields


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_the_short_form_of_fields(text: str, expected: dict[str, object]) -> None:
    """It has names, choices, kinds, lists and nullable fields; all are required."""
    schema = schema_of_fields(text)
    assert schema["properties"] == expected
    assert schema["required"] == list(expected)
    assert list(Labels.of(schema).columns) == list(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no field"),
        (", a", "does not start with a name"),
        ("1a int", "'1a int' does not start with a name"),
        ("a: x|x", "a choice twice"),
        ("a: |", "an empty choice"),
        ("a: x||y", "an empty choice"),
        ("a:", "an empty choice"),
        ("a: x", "has only one choice, 'x'; write : a|b|c"),
        ("a: itn", "did you mean `int`?"),
        ("a flaot", "did you mean `float`?"),
        ("a b", "there is no kind 'b'; kinds: text"),
        ("a list of", "there is no kind 'list of'"),
        ("a int, a int", "'a' appears twice"),
        ('a: "x', "is not a quoted text"),
    ],
)
def test_mistakes_in_fields_have_a_message(text: str, message: str) -> None:
    """The message names the field and the correction."""
    with pytest.raises(FieldsError) as caught:
        schema_of_fields(text)
    assert message in str(caught.value)


@given(st.text(st.sampled_from('ab :|,"\\?1\n') | st.characters(codec="utf-8"), max_size=30))
def test_any_text_is_a_schema_or_a_mistake(text: str) -> None:
    """No text raises another error, and every schema can be used."""
    try:
        schema = schema_of_fields(text)
    except FieldsError:
        return
    Labels.of(schema, "text")
