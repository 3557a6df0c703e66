"""``--set section.key=value``: keys of a job file that the command line sets."""

import re
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from batcher.core.job.mistake import Key, dotted
from batcher.errors import Problem

OVERRIDE = "--set"
"""Shown instead of file and line for keys that the command line set."""

SECRET = re.compile(r"sk-ant-[\w-]+")
"""Matches text that looks like an API key."""

NEW_KEY_HINT = (
    "create a new key, because this one was in a file or a command line, "
    "and put it into the environment variable that api.key_env names"
)

_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def override(
    data: dict[str, Any], overrides: Sequence[str]
) -> tuple[frozenset[Key], list[Problem]]:
    """Put the overrides into the data of a job file; return their keys and the problems."""
    keys: set[Key] = set()
    problems: list[Problem] = []
    for text in overrides:
        name, equals, value = text.partition("=")
        key = _key(name) if equals else None
        if SECRET.search(text):
            problems.append(Problem("a value holds an API key", OVERRIDE, hint=NEW_KEY_HINT))
        elif key is None or len(key) < 2:
            hint = "for example: --set request.max_tokens=1024"
            problems.append(Problem("this must look like section.key=value", OVERRIDE, hint=hint))
        elif not _put(data, key, _value(value)):
            problems.append(Problem(f"{dotted(key[:-1])} is not a table", OVERRIDE))
        else:
            keys.add(key)
    return frozenset(keys), problems


def toml_error(error: ValueError, text: str) -> tuple[str, int | None]:
    """Return the message and the line of a TOML error; the message quotes no value."""
    if not isinstance(error, tomllib.TOMLDecodeError):
        return "a number in the file has too many digits", None
    message = str(error)
    place = _PLACE.search(message)
    if not place:
        return message, None
    line = int(place[1]) if place[1] else text.rstrip().count("\n") + 1
    message = message[: place.start()]
    return f"the file is not TOML: {message[:1].lower()}{message[1:]}", line


def _key(name: str) -> Key | None:
    try:
        table: Any = tomllib.loads(f"{name.strip()} = 0")
    except (ValueError, RecursionError):
        return None
    parts: list[str] = []
    while isinstance(table, dict):
        if len(table) != 1:
            return None
        part, table = next(iter(table.items()))
        parts.append(part)
    return tuple(parts)


def _value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}", parse_float=Decimal)
    except ValueError:
        return text
    return table["value"] if set(table) == {"value"} else text


def _put(data: dict[str, Any], key: Key, value: Any) -> bool:
    table: Any = data
    for part in key[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            return False
    table[key[-1]] = value
    return True
