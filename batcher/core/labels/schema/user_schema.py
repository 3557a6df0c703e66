"""Reads the user's own JSON Schema, and says what is wrong with it."""

import json
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import jsonschema

from batcher.core.answers.strict_json import load
from batcher.core.labels.schema.references import (
    SchemaError,
    check_references,
    resolved,
    subschemas,
)
from batcher.core.nearest import nearest

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NO_OBJECT = "it must describe an object with properties: each becomes a column"


def schema_of_json(data: bytes) -> dict[str, Any]:
    """Read a schema file's bytes; SchemaError for what is no JSON object, with the line."""
    try:
        text = data.decode("utf-8-sig")
        found = json.loads(text, object_pairs_hook=_pairs)
        load(text)
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise SchemaError("it holds a lone surrogate, which is no character") from None
    except UnicodeDecodeError:
        raise SchemaError("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise SchemaError(f"it is not JSON: {error.msg} at {place}") from None
    except RecursionError:
        raise SchemaError("it is nested too deep") from None
    except SchemaError:
        raise
    except ValueError as error:
        raise SchemaError(f"it is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise SchemaError("it must be a JSON object")
    return found


def check_schema(schema: Mapping[str, Any]) -> None:
    """SchemaError unless it is a schema (2020-12) of an object with properties, without circles."""
    try:
        _check(schema)
    except RecursionError:
        raise SchemaError("it is nested too deep") from None


def _check(schema: Mapping[str, Any]) -> None:
    dialect = schema.get("$schema", _DIALECT)
    if str(dialect).removesuffix("#") != _DIALECT:
        raise SchemaError(
            f"$schema is {dialect!r}, and answers are checked by {_DIALECT}: write that. In older "
            "ones prefixItems was a list of items, and dependentRequired was dependencies"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about patterns, which are looked at by themselves
            jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        place = ".".join(map(str, error.path)) or "its top"
        raise SchemaError(f"it is no JSON Schema (2020-12): {error.message} at {place}") from None
    check_references(schema)
    _check_patterns(schema)
    top = resolved(schema, schema)
    properties = top.get("properties")
    if top.get("type", "object") != "object" or not properties:
        raise SchemaError(_NO_OBJECT)
    for way in (one for key in ("anyOf", "oneOf") for one in top.get(key, ())):
        others = set(resolved(way, schema).get("properties") or ()) - set(properties)
        if others:
            name = min(others)
            hint = nearest(name, properties) or "Name it in properties too, without requiring it."
            raise SchemaError(
                f"{name!r} is a property in one of the ways at its top only, and each property is "
                f"a column. {hint}"
            )


def _check_patterns(schema: Mapping[str, Any]) -> None:
    """Refuse what means another thing here than whoever wrote it thinks, such as [[:alpha:]]."""
    pending: list[Mapping[str, Any]] = [schema]
    while pending:
        node = pending.pop()
        for pattern in (*([node["pattern"]] if "pattern" in node else ()), *_keys(node)):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    re.compile(f"(?:{pattern})")  # what is known to re warns once only
            except (re.error, FutureWarning) as error:
                raise SchemaError(f"the pattern {pattern!r} cannot be used: {error}") from None
        pending += subschemas(node)


def _keys(node: Mapping[str, Any]) -> Iterable[str]:
    found: Mapping[str, Any] = node.get("patternProperties") or {}
    return found


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that is there twice: only the last would count."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise SchemaError(f"the key {doubled!r} is there twice in one object")
    return made
