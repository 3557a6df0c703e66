"""The filters that a template may use; the filters that write text are our own.

The engine's filters write null as None and true as True, and a later version could write something
else, which would change every fingerprint.
"""

import re
from collections.abc import Callable, Iterable

from batcher.core.template.values import json_of, text_of


def _join(values: Iterable[object], separator: str = "") -> str:
    return text_of(separator).join(map(text_of, values))


def _capitalize(value: object) -> str:
    return text_of(value).capitalize()


def _title(value: object) -> str:
    # str.title() would write It'S for it's.
    return re.sub(r"[^\W_]+('[^\W_]+)?", lambda word: word.group().capitalize(), text_of(value))


def _trim(value: object, characters: str | None = None) -> str:
    return text_of(value).strip(characters)


def _replace(value: object, old: object, new: object) -> str:
    return text_of(value).replace(text_of(old), text_of(new))


def _split(value: object, separator: str | None = None, max_splits: int = -1) -> list[str]:
    return text_of(value).split(separator, max_splits)


def _truncate(value: object, length: int = 255, end: str = "...") -> str:
    text = text_of(value)
    return text if len(text) <= length else text[: max(0, length - len(end))] + end


def _indent(value: object, width: int = 4, first: bool = False) -> str:
    lines = text_of(value).split("\n")
    space = " " * width
    return "\n".join(
        space + line if line and (first or number) else line for number, line in enumerate(lines)
    )


OWN_FILTERS: dict[str, Callable[..., object]] = {
    "capitalize": _capitalize,
    "indent": _indent,
    "join": _join,
    "lines": lambda value: text_of(value).splitlines(),
    "lower": lambda value: text_of(value).lower(),
    "replace": _replace,
    "split": _split,
    "string": text_of,
    "title": _title,
    "tojson": json_of,
    "trim": _trim,
    "truncate": _truncate,
    "upper": lambda value: text_of(value).upper(),
}
"""Our own filters by name."""

_NEUTRAL = frozenset(
    ("count", "d", "default", "first", "items", "last", "length", "list", "reverse")
)
_CALCULATING = frozenset(
    (
        *("abs", "batch", "bool", "chain", "dictsort", "float", "groupby", "int", "map", "max"),
        *("min", "reject", "rejectattr", "round", "select", "selectattr", "slice", "sort"),
        *("sum", "unique", "zip"),
    )
)

FILTERS = frozenset(OWN_FILTERS) | _NEUTRAL | _CALCULATING
"""All filters that a template may use."""

NOT_CALCULATING = frozenset(OWN_FILTERS) | _NEUTRAL
"""The filters that neither compare nor calculate."""

REMOVED_FILTERS = (
    *("attr", "e", "escape", "filesizeformat", "format", "pluralize", "pprint", "safe"),
    *("striptags", "urlencode", "wordwrap"),
)
"""The engine's filters that a template may not use, also not by name in ``map``."""
