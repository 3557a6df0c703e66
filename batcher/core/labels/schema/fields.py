"""Parses the short form of a label schema: ``label: a|b|c, confidence float, reasons list``.

    fields   = field, *("," field)
    field    = name ["?"] [":" choices | kind]        the default kind is text
    choices  = choice *("|" choice)                   in quotes when it contains , | or "
    kind     = text | int | float | bool | date | datetime | list [of kind | of choices]

A name is a letter, then letters, digits and ``_``. ``?`` after the name (or the kind) allows null.
Some kinds have a second name: string, number, integer, boolean. All fields are required.
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
    """The text of ``labels.fields`` is wrong; the message says where."""


def schema_of_fields(text: str) -> dict[str, Any]:
    """Return the JSON Schema of one object; FieldsError for text that cannot be parsed."""
    properties: dict[str, Any] = {}
    for part in _split(text, ","):
        name, schema = _field(part)
        if name in properties:
            raise FieldsError(f"the field {name!r} appears twice")
        properties[name] = schema
    if not properties:
        raise FieldsError("it has no field; write one, such as label: yes|no")
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def _field(part: str) -> tuple[str, dict[str, Any]]:
    match = _NAME.match(part)
    if match is None:
        raise FieldsError(
            f"{part.strip()!r} does not start with a name; write a field like label: yes|no"
        )
    name, is_nullable = match[1], match[2] is not None
    rest = part[match.end() :].strip()
    if rest.endswith("?") and "|" not in rest and '"' not in rest:
        rest, is_nullable = rest[:-1].rstrip(), True
    schema = _choices(name, rest[1:]) if rest.startswith(":") else _kind(name, rest or "text")
    if not is_nullable:
        return name, schema
    return name, {"anyOf": [schema, {"type": "null"}]}


def _choices(name: str, text: str) -> dict[str, Any]:
    """Parse choices; a kind may follow the colon too."""
    values = [_unquoted(part) for part in _split(text, "|")]
    is_kind = len(values) == 1 and values[0] in _KINDS and '"' not in text
    if is_kind or _LIST_OF.match(text.strip()):
        return _kind(name, text.strip())
    if not values or "" in values:
        raise FieldsError(f"the field {name!r} has an empty choice")
    if len(values) == 1 and '"' not in text:
        hint = nearest(values[0], _KINDS) or f'write : a|b|c, or : "{values[0]}" for only one'
        raise FieldsError(f"the field {name!r} has only one choice, {values[0]!r}; {hint}")
    if len(set(values)) < len(values):
        raise FieldsError(f"the field {name!r} has a choice twice")
    return {"type": "string", "enum": values}


def _kind(name: str, text: str) -> dict[str, Any]:
    words = text.split()
    list_of = _LIST_OF.match(text)
    if list_of is not None:
        inner = text[list_of.end() :]
        is_choice = len(list(_split(inner, "|"))) > 1
        return {"type": "array", "items": (_choices if is_choice else _kind)(name, inner)}
    if len(words) == 1 and words[0] in _KINDS:
        return dict(_KINDS[words[0]])
    hint = nearest(words[0], _KINDS)
    kinds = ", ".join(_KINDS)
    raise FieldsError(
        f"the field {name!r}: there is no kind {text!r}; {hint or f'kinds: {kinds}; or : a|b|c'}"
    )


def _split(text: str, mark: str) -> Iterator[str]:
    """Split at a mark outside quotes."""
    part, position = "", 0
    while position < len(text):
        quoted = _QUOTED.match(text, position) if text[position] == '"' else None
        if quoted is not None:
            part, position = part + quoted[1], quoted.end()
        elif text[position] == mark:
            yield part
            part, position = "", position + 1
        else:
            part, position = part + text[position], position + 1
    if part.strip():
        yield part


def _unquoted(part: str) -> str:
    text = part.strip()
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text))
    except ValueError:
        raise FieldsError(f"{text} is not a quoted text") from None
