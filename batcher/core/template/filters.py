"""The filters that a template may use; the filters that write text are our own.

The engine's filters write null as None and true as True, and a later version could write something
else, which would change every fingerprint.
"""

import re
from collections.abc import Callable, Iterable

from batcher.core.template.allowance import count_made, size_of
from batcher.core.template.values import json_of, text_of

_BYTES_OF_A_PART = 64
"""What a text in a list takes besides its characters."""


def _text(value: object) -> str:
    """Return the text of a value, from which a filter makes at most as much."""
    text = text_of(value)
    count_made(size_of(text))
    return text


def _join(values: Iterable[object], separator: str = "") -> str:
    between = text_of(separator)
    texts = [_text(value) for value in values]
    count_made(size_of(between) * len(texts))
    return between.join(texts)


def _title(value: object) -> str:
    # str.title() would write It'S for it's.
    return re.sub(r"[^\W_]+('[^\W_]+)?", lambda word: word.group().capitalize(), _text(value))


def _replace(value: object, old: object, new: object) -> str:
    text, old, new = _text(value), text_of(old), text_of(new)
    count_made(text.count(old) * size_of(new))
    return text.replace(old, new)


def _split(value: object, separator: str | None = None, max_splits: int = -1) -> list[str]:
    text = _text(value)
    parts = text.count(separator) if separator else len(text) // 2
    count_made(_BYTES_OF_A_PART * (parts if max_splits < 0 else min(parts, max_splits)))
    return text.split(separator, max_splits)


def _lines(value: object) -> list[str]:
    text = _text(value)
    count_made(_BYTES_OF_A_PART * text.count("\n"))
    return text.splitlines()


def _truncate(value: object, length: int = 255, end: str = "...") -> str:
    text = text_of(value)
    return text if len(text) <= length else text[: max(0, length - len(end))] + end


def _indent(value: object, width: int = 4, first: bool = False) -> str:
    text = _text(value)
    count_made(width * (text.count("\n") + 1))
    space = " " * width
    return "\n".join(
        space + line if line and (first or number) else line
        for number, line in enumerate(text.split("\n"))
    )


OWN_FILTERS: dict[str, Callable[..., object]] = {
    "capitalize": lambda value: _text(value).capitalize(),
    "indent": _indent,
    "join": _join,
    "lines": _lines,
    "lower": lambda value: _text(value).lower(),
    "replace": _replace,
    "split": _split,
    "string": text_of,
    "title": _title,
    "tojson": json_of,
    "trim": lambda value, characters=None: _text(value).strip(characters),
    "truncate": _truncate,
    "upper": lambda value: _text(value).upper(),
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
