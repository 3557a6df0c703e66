"""The Python values that fill the columns of labels, and which values no column can hold."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from batcher.core.labels.label_columns import ColumnType, Kind
from batcher.core.labels.schema.formats import day, moment

_INT64 = 2**63

Path = tuple[str | int, ...]


def cell(value: Any, column: ColumnType) -> Any:
    """The Python value that fills a column; for values that were judged valid.

    Dates are ``datetime.date``, moments ``datetime`` in UTC, and what has no one type is JSON text.
    """
    if value is None:
        return None
    match column.kind:
        case "list":
            assert column.item is not None  # noqa: S101 - every list has one
            return [cell(one, column.item) for one in value]
        case "struct":
            return {name: cell(value.get(name), inner) for name, inner in column.fields}
        case kind:
            return _CELLS[kind](value) if kind in _CELLS else value


def unfit(value: Any, column: ColumnType, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Where a value has something that its column cannot hold, and what it should be.

    A schema may let such values through: integers beyond 64 bits, moments before the year 1 in UTC,
    and values of another type where a schema does not say which.
    """
    if value is None:
        return
    if column.kind == "list" and isinstance(value, list):
        assert column.item is not None  # noqa: S101 - every list has one
        for place, one in enumerate(value):
            yield from unfit(one, column.item, (*path, place))
    elif column.kind == "struct" and isinstance(value, Mapping):
        for name, inner in column.fields:
            yield from unfit(value.get(name), inner, (*path, name))
    elif not _FITS[column.kind](value):
        yield path, _WANTED[column.kind]


def _moment(text: str) -> datetime:
    return moment(text).astimezone(UTC)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _is_integer(value: Any) -> bool:
    is_whole = isinstance(value, float) and value.is_integer()
    is_integer = is_whole or (isinstance(value, int) and not isinstance(value, bool))
    return is_integer and -_INT64 <= value < _INT64


def _is_number(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _is_text(value: Any) -> bool:
    """A text that UTF-8 can hold."""
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)


def _reads(read: Callable[[str], object]) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        try:
            read(value)
        except (TypeError, ValueError, OverflowError):
            return False
        return True

    return fits


def _is_json(value: Any) -> bool:
    return _is_text(_json(value))


_CELLS: Mapping[Kind, Callable[[Any], Any]] = {
    "json": _json,
    "date": day,
    "timestamp": _moment,
    "double": float,
    "int64": int,
}
_FITS: Mapping[Kind, Callable[[Any], bool]] = {
    "boolean": lambda value: isinstance(value, bool),
    "int64": _is_integer,
    "double": _is_number,
    "string": _is_text,
    "enum": _is_text,
    "date": _reads(day),
    "timestamp": _reads(_moment),
    "list": lambda _: False,
    "struct": lambda _: False,
    "json": _is_json,
}
_WANTED: Mapping[Kind, str] = {
    "boolean": "must be true or false",
    "int64": "must be an integer of at most 64 bits",
    "double": "must be a number of at most 64 bits",
    "string": "must be a text of whole characters",
    "enum": "must be a text of whole characters",
    "date": "must be a date such as 2026-11-30",
    "timestamp": "must be a time such as 2026-11-30T08:00:00Z",
    "list": "must be a list",
    "struct": "must be an object",
    "json": "must be a text of whole characters",
}
