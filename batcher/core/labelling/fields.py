"""The short way to say which labels are wanted: ``label: a|b|c, confidence float, reasons list``.

    fields   = field, *("," field)
    field    = name ["?"] [":" choices | kind]        without a kind it is a text
    choices  = choice *("|" choice)                   in quotes where it holds , | or "
    kind     = text | int | float | bool | date | datetime | list [of kind]

``?`` after the name lets the model answer null.
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
        raise FieldsError(f"{part.strip()!r} does not begin with a name")
    name, is_nullable = found[1], found[2] is not None
    rest = part[found.end() :].strip()
    schema = _choices(name, rest[1:]) if rest.startswith(":") else _kind(name, rest or "text")
    if not is_nullable:
        return name, schema
    return name, {"anyOf": [schema, {"type": "null"}]}


def _choices(name: str, text: str) -> dict[str, Any]:
    """Read choices; a single word after the colon may also be a kind."""
    values = [_unquoted(part) for part in _split(text, "|")]
    if len(values) == 1 and values[0].split(" ")[0] in _KINDS and '"' not in text:
        return _kind(name, values[0])
    if "" in values:
        raise FieldsError(f"the field {name!r} has an empty choice")
    if len(set(values)) < len(values):
        raise FieldsError(f"the field {name!r} has a choice twice")
    return {"type": "string", "enum": values}


def _kind(name: str, text: str) -> dict[str, Any]:
    words = text.split()
    if words[0] == "list" and words[1:2] == ["of"] and len(words) == 3:
        return {"type": "array", "items": _kind(name, words[2])}
    if len(words) == 1 and words[0] in _KINDS:
        return dict(_KINDS[words[0]])
    hint = nearest(words[0], _KINDS)
    listed = ", ".join(dict.fromkeys(_KINDS))
    raise FieldsError(
        f"the field {name!r}: there is no kind {text!r}. {hint or f'Kinds: {listed}.'}"
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
