"""Writes a new job file: the given keys, and every other key as a comment with its default."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from textwrap import wrap
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from batcher.core.job import Job

MODEL = "claude-haiku-5-5"
MAX_TOKENS = 300
_WIDTH = 96


def draft(title: str, given: Mapping[str, Mapping[str, Any]], notes: Mapping[str, str]) -> str:
    """Return the text of a job file with the given values, section by section.

    ``notes`` are comments on given keys, by ``section.key``. All other keys follow as comments with
    their descriptions and defaults, which come from the code that reads job files.
    """
    lines = [f"# {line}" if line else "#" for line in title.split("\n")]
    for name, section in Job.model_fields.items():
        kind = _section(section)
        lines += ["", f"[{name}]"]
        lines += _lines(kind, given.get(name, {}), name, notes)
    return "\n".join(lines) + "\n"


def _section(field: FieldInfo) -> type[BaseModel]:
    kind = field.annotation
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        raise TypeError("every field of a job is a section")
    return kind


def _lines(
    kind: type[BaseModel], given: Mapping[str, Any], section: str, notes: Mapping[str, str]
) -> Iterator[str]:
    for key, value in given.items():
        if note := notes.get(f"{section}.{key}"):
            yield from _comment(note)
        yield f"{key} = {_toml(value)}"
    for key, field in kind.model_fields.items():
        if key not in given:
            yield from _comment(field.description or "")
            yield f"# {key} = {_default(field)}"


def _comment(text: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    return "(not set)" if default is None else _toml(default)


def _toml(value: Any) -> str:
    """Return a value as TOML; a text with line breaks takes several lines."""
    if isinstance(value, str) and "\n" in value:
        return f'"""\n{_escaped(value)}"""'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, str):
        return f'"{_escaped(value)}"'
    return "[" + ", ".join(_toml(item) for item in value) + "]"


def _escaped(text: str) -> str:
    """Escape a text for TOML; keep line breaks."""
    lines = (json.dumps(line, ensure_ascii=False)[1:-1] for line in text.split("\n"))
    return "\n".join(line.replace("\x7f", "\\u007f") for line in lines)
