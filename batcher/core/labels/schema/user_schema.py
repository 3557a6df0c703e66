"""Reads the user's JSON Schema and checks that it can be used for labels."""

import json
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import jsonschema

from batcher.core.answers.strict_json import load
from batcher.core.labels.schema.older_drafts import DIALECT, modern
from batcher.core.labels.schema.references import (
    SchemaError,
    check_references,
    resolved,
    subschemas,
)
from batcher.core.nearest import nearest

_NOT_AN_OBJECT = "it must describe an object with properties; each becomes a column"


def schema_of_json(data: bytes) -> dict[str, Any]:
    """Parse the bytes of a schema file; a schema of draft 6 or 7 becomes 2020-12.

    Raises SchemaError, with the line, when there is no JSON object.
    """
    try:
        text = data.decode("utf-8-sig")
        schema = json.loads(text, object_pairs_hook=_pairs)
        load(text)
        json.dumps(schema, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise SchemaError("it has a lone surrogate, which is not a character") from None
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
    if not isinstance(schema, dict):
        raise SchemaError("it must be a JSON object")
    return modern(schema)


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raise SchemaError unless this is a JSON Schema (2020-12) of an object with properties."""
    try:
        _check(schema)
    except RecursionError:
        raise SchemaError("it is nested too deep") from None


def _check(schema: Mapping[str, Any]) -> None:
    dialect = schema.get("$schema", DIALECT)
    if str(dialect).removesuffix("#") != DIALECT:
        raise SchemaError(
            f"$schema is {dialect!r}, and batcher reads the drafts 6, 7, 2019-09 and 2020-12: "
            f"change it to {DIALECT}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about patterns: _check_patterns
            jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        place = ".".join(map(str, error.path)) or "its top"
        raise SchemaError(
            f"it is not a JSON Schema (2020-12): {error.message} at {place}"
        ) from None
    check_references(schema)
    _check_patterns(schema)
    top = resolved(schema, schema)
    properties = top.get("properties")
    if top.get("type", "object") != "object" or not properties:
        raise SchemaError(_NOT_AN_OBJECT)
    for option in (option for key in ("anyOf", "oneOf") for option in top.get(key, ())):
        missing = set(resolved(option, schema).get("properties") or ()) - set(properties)
        if missing:
            name = min(missing)
            hint = nearest(name, properties) or "add it to properties, as an optional one"
            raise SchemaError(
                f"{name!r} is a property in an alternative at the top, but not in properties, and "
                f"each property is a column; {hint}"
            )


def _check_patterns(schema: Mapping[str, Any]) -> None:
    """Refuse patterns that Python reads differently than intended, such as [[:alpha:]]."""
    pending: list[Mapping[str, Any]] = [schema]
    while pending:
        node = pending.pop()
        for pattern in (*([node["pattern"]] if "pattern" in node else ()), *_keys(node)):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    # The group makes it a new pattern: re does not warn for one in its cache.
                    re.compile(f"(?:{pattern})")
            except (re.error, FutureWarning) as error:
                raise SchemaError(f"the pattern {pattern!r} cannot be used: {error}") from None
        pending += subschemas(node)


def _keys(node: Mapping[str, Any]) -> Iterable[str]:
    patterns: Mapping[str, Any] = node.get("patternProperties") or {}
    return patterns


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a repeated key, because JSON parsers would use only the last."""
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise SchemaError(f"the key {doubled!r} appears twice in one object")
    return result
