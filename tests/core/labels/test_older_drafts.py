"""Schemas of older drafts mean the same as in 2020-12."""

import json
from typing import Any

import pytest

from batcher.core.labels.labels import Labels
from batcher.core.labels.schema.older_drafts import DIALECT
from batcher.core.labels.schema.user_schema import SchemaError, schema_of_json

OLDER = [
    "http://json-schema.org/draft-06/schema#",
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft-07/schema",
    "https://json-schema.org/draft/2019-09/schema",
]
SHARED: dict[str, Any] = {
    "type": "object",
    "required": ["label", "score"],
    "properties": {
        "label": {"enum": ["a", "b"]},
        "score": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
        "where": {"$ref": "#/definitions/place"},
        "tags": {"type": "array", "items": {"type": "string", "pattern": "^x"}},
        "due": {"type": ["string", "null"], "format": "date"},
        "note": {"type": "string", "default": {"items": [1], "dependencies": {}}},
    },
    "definitions": {"place": {"type": "object", "properties": {"city": {"type": "string"}}}},
    "additionalProperties": False,
}


def read(schema: Any) -> dict[str, Any]:
    """Read a schema as from a file."""
    return schema_of_json(json.dumps(schema).encode())


@pytest.mark.parametrize("draft", OLDER)
def test_what_drafts_share_is_the_same(draft: str) -> None:
    """Request, columns and the verdict on answers are those of the same schema of 2020-12."""
    older = Labels.of(read({"$schema": draft, **SHARED}))
    today = Labels.of(read({"$schema": DIALECT, **SHARED}))
    assert older.request_fields({}) == today.request_fields({})
    assert older.columns == today.columns
    for answer in ({"label": "a", "score": 0.5}, {"label": "a", "score": 1}, {"score": 0}):
        assert older.validator.validate(answer) == today.validator.validate(answer)


@pytest.mark.parametrize(
    ("older", "today"),
    [
        (
            {"items": [{"type": "string"}, {"type": "integer"}], "additionalItems": False},
            {"prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
        ),
        ({"items": [{"type": "string"}]}, {"prefixItems": [{"type": "string"}]}),
        ({"items": {"type": "string"}, "additionalItems": False}, {"items": {"type": "string"}}),
        ({"dependencies": {"a": ["b"]}}, {"dependentRequired": {"a": ["b"]}}),
        (
            {"dependencies": {"a": {"items": [{}]}, "b": True}},
            {"dependentSchemas": {"a": {"prefixItems": [{}]}, "b": True}},
        ),
        (
            {"$ref": "#/definitions/a", "maxLength": 1, "description": "x"},
            {"$ref": "#/definitions/a", "description": "x"},
        ),
        ({"enum": [{"items": [1]}]}, {"enum": [{"items": [1]}]}),
        ({"const": {"dependencies": {"a": ["b"]}}}, {"const": {"dependencies": {"a": ["b"]}}}),
    ],
)
def test_what_drafts_write_differently_is_rewritten(older: Any, today: Any) -> None:
    """At any depth; data that only looks like a schema stays as it is."""
    draft = "http://json-schema.org/draft-07/schema#"
    for place in (
        lambda inner: {"properties": {"items": inner, "dependencies": inner}},
        lambda inner: {"anyOf": [{"not": inner}], "additionalProperties": inner},
        lambda inner: {"definitions": {"a": {"items": inner}}},
    ):
        written = read({"$schema": draft, **place(older)})
        assert written == {"$schema": DIALECT, **place(today)}


def test_rules_beside_a_reference_count_since_2019() -> None:
    """They have no effect in draft 7, and have one later."""
    schema = {"properties": {"a": {"$ref": "#/$defs/t", "maxLength": 1}}, "$defs": {"t": {}}}
    kept = read({"$schema": "https://json-schema.org/draft/2019-09/schema", **schema})
    assert kept["properties"] == schema["properties"]


def test_other_drafts_are_refused() -> None:
    """Draft 4 differs in bounds and names; the error says which drafts are read."""
    schema = {"$schema": "http://json-schema.org/draft-04/schema#", **SHARED}
    with pytest.raises(SchemaError, match="drafts 6, 7, 2019-09 and 2020-12"):
        Labels.of(read(schema))
