"""Whether a value is what the user's schema wants: spelt as it says and checked in full."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema
from jsonschema.exceptions import ValidationError

from batcher.core.labelling.formats import FORMATS
from batcher.core.labelling.references import referred

_MOST_COMPLAINTS = 8
_INT64 = 2**63


@dataclass(frozen=True, slots=True)
class Valid:
    """A value that is right, in the schema's own spelling."""

    value: Any


@dataclass(frozen=True, slots=True)
class Invalid:
    """What is wrong with a value.

    ``complaint`` may quote the answer and goes back to the model, and nowhere else; ``reason``
    names paths and rules only.
    """

    complaint: str
    reason: str


class Judge:
    """Holds values against one schema, made once for a job."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._validator = jsonschema.Draft202012Validator(schema, format_checker=FORMATS)

    def judge(self, value: Any) -> Valid | Invalid:
        """Judge a value; never raises for what it holds."""
        normal = normalised(value, self._schema, self._schema)
        errors = sorted(
            self._validator.iter_errors(normal), key=lambda error: list(map(str, error.path))
        )
        if errors:
            shown = errors[:_MOST_COMPLAINTS]
            complaint = "\n".join(f"- {_path(error)}: {error.message}" for error in shown)
            reason = "; ".join(dict.fromkeys(_reason(error) for error in shown))
            return Invalid(complaint, reason)
        large = _too_large(normal)
        if large is not None:
            said = f"{large}: an integer beyond 64 bits"
            return Invalid(f"- {said}", said)
        return Valid(normal)


def normalised(value: Any, schema: Any, root: Mapping[str, Any]) -> Any:
    """Spell choices as the schema does: the API may answer them in other capitals.

    Where two choices differ only in capitals what was answered stays as it is.
    """
    if not isinstance(schema, Mapping):
        return value
    if "$ref" in schema:
        return normalised(value, referred(str(schema["$ref"]), root), root)
    if isinstance(value, str):
        return _spelt(value, [*schema.get("enum", ()), *_const(schema), *_in_parts(schema, root)])
    parts = [
        *(schema.get("allOf") or ()),
        *(schema.get("anyOf") or ()),
        *(schema.get("oneOf") or ()),
    ]
    for part in parts:
        value = normalised(value, part, root)
    if isinstance(value, Mapping):
        properties = schema.get("properties") or {}
        return {
            key: normalised(one, properties[key], root) if key in properties else one
            for key, one in value.items()
        }
    if isinstance(value, list):
        first = schema.get("prefixItems") or ()
        return [
            normalised(one, first[place] if place < len(first) else schema.get("items"), root)
            for place, one in enumerate(value)
        ]
    return value


def _in_parts(schema: Mapping[str, Any], root: Mapping[str, Any]) -> list[Any]:
    """The choices of text in the parts of a union."""
    found: list[Any] = []
    for key in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(key) or ():
            if not isinstance(part, Mapping):
                continue
            inner = referred(str(part["$ref"]), root) if "$ref" in part else part
            found += [*inner.get("enum", ()), *_const(inner)]
    return found


def _const(schema: Mapping[str, Any]) -> list[Any]:
    return [schema["const"]] if "const" in schema else []


def _spelt(value: str, choices: Sequence[Any]) -> str:
    texts = [choice for choice in choices if isinstance(choice, str)]
    if value in texts:
        return value
    alike = {choice for choice in texts if choice.casefold() == value.strip().casefold()}
    return alike.pop() if len(alike) == 1 else value


def _path(error: ValidationError) -> str:
    """Where in the answer an error is."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.path)
    return "".join(steps).lstrip(".") or "the answer"


def _reason(error: ValidationError) -> str:
    """Name the rule that is broken; the value of a rule is the user's own and may be told."""
    return f"{_path(error)} breaks {error.validator}"


def _too_large(value: Any, path: str = "") -> str | None:
    """Find an integer that no column can hold."""
    if isinstance(value, int) and not isinstance(value, bool):
        return None if -_INT64 <= value < _INT64 else path or "the answer"
    if isinstance(value, Mapping):
        found = (_too_large(one, f"{path}.{key}".lstrip(".")) for key, one in value.items())
    elif isinstance(value, list):
        found = (_too_large(one, f"{path}[{place}]") for place, one in enumerate(value))
    else:
        return None
    return next((one for one in found if one is not None), None)
