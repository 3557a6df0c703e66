"""The short way to say which labels are wanted: ``label: a|b|c, confidence float, reasons list``.

    fields   = field, *("," field)
    field    = name ["?"] [":" choices | kind]        without a kind it is a text
    choices  = choice *("|" choice)                   in quotes where it holds , | or "
    kind     = text | int | float | bool | date | datetime | list [of kind | of choices]

A name is a letter, then letters, digits and ``_``. ``?`` after it (or the kind) lets the model
answer null. Kinds have second names: string, number, integer, boolean. All fields are required.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from batcher.core.nearest import nearest

_KINDS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "string": {"type": "string"},
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "integer": {"type": "integer"},
    "float": {"type": "number"},
    "number": {"type": "number"},
    "bool": {"type": "boolean"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "list": {"type": "array", "items": {"type": "string"}},
}
_NAME = re.compile(r"\s*([^\W\d]\w*)\s*(\?)?\s*")
_LIST_OF = re.compile(r"list\s+of\s+(?=\S)")
_QUOTED = re.compile(r'\s*("(?:[^"\\]|\\.)*")\s*')


class FieldsError(ValueError):
    """What is wrong with the text of ``labels.fields``, and where."""


def schema_of_fields(text: str) -> dict[str, Any]:
    """Read it as a JSON Schema of one object; FieldsError when it cannot be."""
    properties: dict[str, Any] = {}
    for part in _split(text, ","):
        name, schema = _field(part)
        if name in properties:
            raise FieldsError(f"the field {name!r} is there twice")
        properties[name] = schema
    if not properties:
        raise FieldsError("it names no field; such as label: yes|no")
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def _field(part: str) -> tuple[str, dict[str, Any]]:
    found = _NAME.match(part)
    if found is None:
        raise FieldsError(
            f"{part.strip()!r} does not begin with a name; write it such as label: yes|no"
        )
    name, is_nullable = found[1], found[2] is not None
    rest = part[found.end() :].strip()
    if rest.endswith("?") and "|" not in rest and '"' not in rest:
        rest, is_nullable = rest[:-1].rstrip(), True
    schema = _choices(name, rest[1:]) if rest.startswith(":") else _kind(name, rest or "text")
    if not is_nullable:
        return name, schema
    return name, {"anyOf": [schema, {"type": "null"}]}


def _choices(name: str, text: str) -> dict[str, Any]:
    """Read choices; a kind may stand after the colon as well."""
    values = [_unquoted(part) for part in _split(text, "|")]
    is_kind = len(values) == 1 and values[0] in _KINDS and '"' not in text
    if is_kind or _LIST_OF.match(text.strip()):
        return _kind(name, text.strip())
    if not values or "" in values:
        raise FieldsError(f"the field {name!r} has an empty choice")
    if len(values) == 1 and '"' not in text:
        hint = nearest(values[0], _KINDS) or f'Write : a|b|c, or : "{values[0]}" if it is all.'
        raise FieldsError(f"the field {name!r} has one choice only, {values[0]!r}. {hint}")
    if len(set(values)) < len(values):
        raise FieldsError(f"the field {name!r} has a choice twice")
    return {"type": "string", "enum": values}


def _kind(name: str, text: str) -> dict[str, Any]:
    words = text.split()
    listed = _LIST_OF.match(text)
    if listed is not None:
        inner = text[listed.end() :]
        is_choice = len(list(_split(inner, "|"))) > 1
        return {"type": "array", "items": (_choices if is_choice else _kind)(name, inner)}
    if len(words) == 1 and words[0] in _KINDS:
        return dict(_KINDS[words[0]])
    hint = nearest(words[0], _KINDS)
    kinds = ", ".join(_KINDS)
    raise FieldsError(
        f"the field {name!r}: there is no kind {text!r}. {hint or f'Kinds: {kinds}; or : a|b|c.'}"
    )


def _split(text: str, mark: str) -> Iterator[str]:
    """Cut at a mark outside of quotes."""
    part, place = "", 0
    while place < len(text):
        quoted = _QUOTED.match(text, place) if text[place] == '"' else None
        if quoted is not None:
            part, place = part + quoted[1], quoted.end()
        elif text[place] == mark:
            yield part
            part, place = "", place + 1
        else:
            part, place = part + text[place], place + 1
    if part.strip():
        yield part


def _unquoted(part: str) -> str:
    text = part.strip()
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text))
    except ValueError:
        raise FieldsError(f"{text} is not a text in quotes") from None
