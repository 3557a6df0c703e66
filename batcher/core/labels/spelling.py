"""Writes choices as the schema does, and null or no key as it asks.

The API does not guarantee upper and lower case, and a model that has nothing to say in a field
leaves it out or writes null.
"""

from collections.abc import Mapping
from typing import Any

from jsonschema.protocols import Validator

from batcher.core.labels.schema.merging import choices
from batcher.core.labels.schema.references import alternatives, is_null, resolved


def with_schema_spelling(value: Any, schema: Any, whole: Validator) -> Any:
    """Return a value with its choices and nulls as in the schema, wherever that makes them valid.

    Valid values stay unchanged, and so do values that could mean two choices. ``whole`` is the
    validator of the whole schema, to which references are relative.
    """
    if not isinstance(schema, Mapping) or whole.evolve(schema=schema).is_valid(value):
        return value
    root = whole.schema
    assert isinstance(root, Mapping)  # noqa: S101 - it was checked to be an object
    schema = resolved(schema, root)
    values = choices(schema)
    if values is not None:
        return _matching_choice(value, values)
    options = alternatives(schema, root)
    if options is not None:
        candidates = (with_schema_spelling(value, option, whole) for option in options)
        check = whole.evolve(schema=schema)
        value = next((candidate for candidate in candidates if check.is_valid(candidate)), value)
    if isinstance(value, Mapping):
        value = _with_nulls(value, schema, whole)
        return {
            key: with_schema_spelling(inner, _property_schema(schema, key), whole)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [
            with_schema_spelling(entry, _entry_schema(schema, index), whole)
            for index, entry in enumerate(value)
        ]
    return value


def _with_nulls(
    value: Mapping[str, Any], schema: Mapping[str, Any], whole: Validator
) -> dict[str, Any]:
    """Add null for a missing key that has to be there, and leave out null for an optional key.

    Both only where the key's schema asks for it: a key that may not be null stays missing.
    """
    properties, required = schema.get("properties") or {}, schema.get("required") or ()
    kept = {
        key: inner
        for key, inner in value.items()
        if inner is not None
        or key in required
        or key not in properties
        or whole.evolve(schema=properties[key]).is_valid(None)
    }
    missing = (name for name in required if name in properties and name not in value)
    return kept | {name: None for name in missing if _names_null(properties[name], whole.schema)}


def _names_null(schema: Any, root: Any) -> bool:
    """Whether a schema says that a value may be null, not only that it may be anything."""
    schema = resolved(schema, root)
    options = alternatives(schema, root) or ()
    return None in (choices(schema) or ()) or any(is_null(resolved(o, root)) for o in options)


def _property_schema(schema: Mapping[str, Any], key: str) -> Any:
    properties = schema.get("properties") or {}
    return properties[key] if key in properties else schema.get("additionalProperties")


def _entry_schema(schema: Mapping[str, Any], index: int) -> Any:
    first = schema.get("prefixItems") or ()
    return first[index] if index < len(first) else schema.get("items")


def _matching_choice(value: Any, values: list[Any]) -> Any:
    """Return the only choice that differs from the value in letter case alone, else the value."""
    matches = [choice for choice in values if _folded(choice) == _folded(value)]
    return matches[0] if len(matches) == 1 else value


def _folded(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip().casefold()
    if isinstance(value, Mapping):
        return {key: _folded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_folded(inner) for inner in value]
    return (type(value), value)
