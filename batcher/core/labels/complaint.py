"""What is wrong with an answer, in words: for the model, and without any content for people."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from jsonschema.exceptions import ValidationError, best_match

from batcher.core.labels.schema.keyword_text import WORDS, worded
from batcher.core.labels.schema.references import subschemas

_MOST = 8
_QUOTED_CHARACTERS = 100
_CHOICES_CHARACTERS = 500
_QUOTING = frozenset({"type", "enum", "const", "pattern", "format", "minimum", "maximum",
                      "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})  # fmt: skip


def property_names(schema: Mapping[str, Any]) -> frozenset[str]:
    """All names of properties that a schema says somewhere."""
    names: set[str] = set()
    pending = [schema]
    while pending:
        node = pending.pop()
        names.update(node.get("properties") or ())
        pending += subschemas(node)
    return frozenset(names)


def complaint(errors: Iterable[ValidationError]) -> str:
    """One line for each rule that is broken, the first of them; it quotes the answer."""
    lines = (f"- {place(error.absolute_path)}: {_rule(error)}{_found(error)}" for error in errors)
    return "\n".join(list(dict.fromkeys(lines))[:_MOST])


def reason(errors: Iterable[ValidationError], names: frozenset[str]) -> str:
    """Places and rules, the same for all answers that break the same; nothing of the answer.

    Keys that the schema does not name are the answer's own, and are not told.
    """
    lines = (f"{place_without_content(one.absolute_path, names)}: {_brief(one)}" for one in errors)
    return "; ".join(list(dict.fromkeys(lines))[:_MOST])


def causes(errors: Iterable[ValidationError]) -> list[ValidationError]:
    """What errors come down to, sorted by their places; of a union the way that is nearest."""
    found = [best_match([error]) or error for error in errors]
    return sorted(found, key=lambda error: list(error.absolute_path))


def place_without_content(path: Iterable[str | int], names: frozenset[str]) -> str:
    """Where in the answer, without the numbers of entries."""
    steps = (
        "[]" if isinstance(step, int) else f".{step}" if step in names else ".*" for step in path
    )
    return "".join(steps).lstrip(".") or "the answer"


def place(path: Iterable[str | int]) -> str:
    """Where in the answer."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).lstrip(".") or "the answer"


def _rule(error: ValidationError) -> str:
    """The rule that is broken, with all that it says."""
    rule, value = str(error.validator), _value(error)
    match rule:
        case "required":
            missing = [name for name in value if name not in _mapping(error.instance)]
            return f"lacks {', '.join(missing)}"
        case "additionalProperties" | "unevaluatedProperties":
            return "has keys that the schema does not know"
        case "type":
            return worded(rule, value if isinstance(value, str) else " or ".join(map(str, value)))
        case "anyOf" | "oneOf":
            return "fits none of the ways, or more than one, that the schema names"
        case "items" | "unevaluatedItems":
            return "has more entries than the schema knows"
        case "None" | "False schema":
            return "must not be there"
        case _ if rule in WORDS:
            return _cut(worded(rule, value), _CHOICES_CHARACTERS)
        case _:
            return f"breaks {rule}"


def _brief(error: ValidationError) -> str:
    """The rule that is broken, briefly; it is the user's own, and may be told."""
    if error.validator == "enum":
        return f"none of the {len(_value(error))} choices"
    return _cut(_rule(error), _QUOTED_CHARACTERS)


def _found(error: ValidationError) -> str:
    """What is there instead."""
    if error.validator in _QUOTING:
        quoted = json.dumps(error.instance, ensure_ascii=False)
        return f"; it is {_cut(quoted, _QUOTED_CHARACTERS)}"
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        known = _mapping(error.schema).get("properties") or {}
        extra = [name for name in _mapping(error.instance) if name not in known]
        return f": {_cut(', '.join(extra), _QUOTED_CHARACTERS)}"
    return ""


def _value(error: ValidationError) -> Any:
    """What the broken keyword says."""
    return error.validator_value


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[:characters]}..."
