"""Spells choices as the schema does: the API does not vouch for capitals in what it answers."""

from collections.abc import Mapping
from typing import Any

from jsonschema.protocols import Validator

from batcher.core.labels.schema.merging import choices
from batcher.core.labels.schema.references import alternatives, resolved


def respelt(value: Any, schema: Any, whole: Validator) -> Any:
    """A value with its choices spelt as in the schema, wherever that makes them fit.

    What fits as it is stays, and so does what two choices could be meant by. ``whole`` is the
    validator of the whole schema, which references are relative to.
    """
    if not isinstance(schema, Mapping) or whole.evolve(schema=schema).is_valid(value):
        return value
    root = whole.schema
    assert isinstance(root, Mapping)  # noqa: S101 - it was checked to be an object
    schema = resolved(schema, root)
    values = choices(schema)
    if values is not None:
        return _meant(value, values)
    ways = alternatives(schema, root)
    if ways is not None:
        spelt = (respelt(value, way, whole) for way in ways)
        fitting = (one for one in spelt if whole.evolve(schema=schema).is_valid(one))
        value = next(fitting, value)
    if isinstance(value, Mapping):
        return {key: respelt(one, _of_key(schema, key), whole) for key, one in value.items()}
    if isinstance(value, list):
        return [respelt(one, _of_entry(schema, n), whole) for n, one in enumerate(value)]
    return value


def _of_key(schema: Mapping[str, Any], key: str) -> Any:
    properties = schema.get("properties") or {}
    return properties[key] if key in properties else schema.get("additionalProperties")


def _of_entry(schema: Mapping[str, Any], place: int) -> Any:
    first = schema.get("prefixItems") or ()
    return first[place] if place < len(first) else schema.get("items")


def _meant(value: Any, values: list[Any]) -> Any:
    """The one choice that says the same in other capitals."""
    alike = [choice for choice in values if _folded(choice) == _folded(value)]
    return alike[0] if len(alike) == 1 else value


def _folded(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip().casefold()
    if isinstance(value, Mapping):
        return {key: _folded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_folded(inner) for inner in value]
    return (type(value), value)
