"""Rewrites a JSON Schema of an older draft as 2020-12; what the drafts share stays the same."""

import re
from collections.abc import Mapping
from typing import Any

from batcher.core.labels.schema.merging import ANNOTATIONS
from batcher.core.labels.schema.references import LISTS, MAPS, SINGLE

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_OLDER = re.compile(r"https?://json-schema\.org/(draft-0[67]|draft/2019-09)/schema#?")
# In drafts 6 and 7, rules beside a reference have no effect.
_BESIDE_REFERENCE = (*ANNOTATIONS, "$schema", "$ref", "definitions", "$defs")


def modern(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema of draft 6, 7 or 2019-09 as 2020-12; any other schema as it is."""
    draft = _OLDER.fullmatch(str(schema.get("$schema")))
    if draft is None:
        return dict(schema)
    result: dict[str, Any] = _modern(schema, has_lone_references=draft[1].startswith("draft-"))
    return {**result, "$schema": DIALECT}


def _modern(schema: Any, *, has_lone_references: bool) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    if has_lone_references and "$ref" in schema:
        schema = {key: value for key, value in schema.items() if key in _BESIDE_REFERENCE}
    result: dict[str, Any] = {}
    for key, value in schema.items():
        inner = _subschemas(key, value, has_lone_references=has_lone_references)
        if key == "items" and isinstance(value, list):
            result["prefixItems"] = inner
            if "additionalItems" in schema:
                further = schema["additionalItems"]
                result["items"] = _modern(further, has_lone_references=has_lone_references)
        elif key == "dependencies" and isinstance(value, Mapping):
            result |= _dependencies(inner)
        elif key != "additionalItems":
            result[key] = inner
    return result


def _subschemas(key: str, value: Any, *, has_lone_references: bool) -> Any:
    """Rewrite the schemas below a keyword; other values are data."""
    if key in (*MAPS, "definitions", "$defs", "dependencies") and isinstance(value, Mapping):
        return {
            name: _modern(inner, has_lone_references=has_lone_references)
            for name, inner in value.items()
        }
    if key in (*LISTS, "items") and isinstance(value, list):
        return [_modern(inner, has_lone_references=has_lone_references) for inner in value]
    if key in SINGLE:
        return _modern(value, has_lone_references=has_lone_references)
    return value


def _dependencies(inner: Mapping[str, Any]) -> dict[str, Any]:
    names = {key: value for key, value in inner.items() if isinstance(value, list)}
    schemas = {key: value for key, value in inner.items() if key not in names}
    found = {"dependentRequired": names, "dependentSchemas": schemas}
    return {keyword: value for keyword, value in found.items() if value}
