"""Describes why an answer is invalid: in full for the model, without content for people."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from jsonschema.exceptions import ValidationError, best_match

from batcher.core.labels.schema.keyword_text import WORDS, describe
from batcher.core.labels.schema.references import subschemas

_MAX_LINES = 8
_QUOTED_CHARACTERS = 100
_CHOICES_CHARACTERS = 500
_QUOTING = frozenset({"type", "enum", "const", "pattern", "format", "minimum", "maximum",
                      "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})  # fmt: skip

_MESSAGES: Mapping[str, str] = {
    "additionalProperties": "has keys that are not in the schema",
    "unevaluatedProperties": "has keys that are not in the schema",
    "anyOf": "fits none of the alternatives in the schema",
    "oneOf": "must fit exactly one of the alternatives in the schema",
    "items": "has more entries than the schema allows",
    "unevaluatedItems": "has more entries than the schema allows",
    "None": "is not allowed",
    "False schema": "is not allowed",
}


def property_names(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of all properties in a schema, at any depth."""
    names: set[str] = set()
    pending = [schema]
    while pending:
        node = pending.pop()
        names.update(node.get("properties") or ())
        pending += subschemas(node)
    return frozenset(names)


def complaint(errors: Iterable[ValidationError]) -> str:
    """Return one line for each violated rule, at most eight; they quote the answer."""
    lines = (f"- {place(error.absolute_path)}: {_rule(error)}{_actual(error)}" for error in errors)
    return "\n".join(list(dict.fromkeys(lines))[:_MAX_LINES])


def reason(errors: Iterable[ValidationError], names: frozenset[str]) -> str:
    """Return places and rules without content; answers with equal errors have equal reasons.

    Keys that the schema does not name are content and are left out.
    """
    lines = (
        f"{place_without_content(error.absolute_path, names)}: {_brief(error)}" for error in errors
    )
    return "; ".join(list(dict.fromkeys(lines))[:_MAX_LINES])


def causes(errors: Iterable[ValidationError]) -> list[ValidationError]:
    """Return the most specific causes of errors, sorted by place.

    In a union, these are the errors of the alternative that matches best.
    """
    specific = [best_match([error]) or error for error in errors]
    return sorted(specific, key=lambda error: list(error.absolute_path))


def place_without_content(path: Iterable[str | int], names: frozenset[str]) -> str:
    """Return a place in the answer, without list indexes and unknown keys."""
    steps = (
        "[]" if isinstance(step, int) else f".{step}" if step in names else ".*" for step in path
    )
    return "".join(steps).lstrip(".") or "the answer"


def place(path: Iterable[str | int]) -> str:
    """Return a place in the answer."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).lstrip(".") or "the answer"


def _rule(error: ValidationError) -> str:
    """Describe the violated rule in full."""
    rule, value = str(error.validator), _value(error)
    if rule in _MESSAGES:
        return _MESSAGES[rule]
    match rule:
        case "required":
            missing = [name for name in value if name not in _mapping(error.instance)]
            return f"is missing {', '.join(missing)}"
        case "type":
            return describe(rule, value if isinstance(value, str) else " or ".join(map(str, value)))
        case _ if rule in WORDS:
            return _cut(describe(rule, value), _CHOICES_CHARACTERS)
        case _:
            return f"violates {rule}"


def _brief(error: ValidationError) -> str:
    """Describe the violated rule briefly; the schema is the user's own and may be quoted."""
    if error.validator == "enum":
        return f"not one of the {len(_value(error))} choices"
    return _cut(_rule(error), _QUOTED_CHARACTERS)


def _actual(error: ValidationError) -> str:
    """Quote the value that violates the rule, where that helps."""
    if error.validator in _QUOTING:
        quoted = json.dumps(error.instance, ensure_ascii=False)
        return f"; it is {_cut(quoted, _QUOTED_CHARACTERS)}"
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        known = _mapping(error.schema).get("properties") or {}
        extra = [name for name in _mapping(error.instance) if name not in known]
        return f": {_cut(', '.join(extra), _QUOTED_CHARACTERS)}"
    return ""


def _value(error: ValidationError) -> Any:
    """Return the value of the violated keyword."""
    return error.validator_value


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[:characters]}..."
