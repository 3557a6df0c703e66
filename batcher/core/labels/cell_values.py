"""Converts label values to column values, and finds values that a column cannot hold."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from batcher.core.labels.label_columns import ColumnType, Kind
from batcher.core.labels.schema.formats import parse_date, parse_datetime

_INT64 = 2**63

Path = tuple[str | int, ...]


def cell(value: Any, column: ColumnType) -> Any:
    """Return the Python value that fills a column; ``value`` must be valid.

    Dates become ``datetime.date``, times ``datetime`` in UTC, and a ``json`` column gets JSON text.
    """
    if value is None:
        return None
    match column.kind:
        case "list":
            assert column.item is not None  # noqa: S101 - every list has one
            return [cell(entry, column.item) for entry in value]
        case "struct":
            return {name: cell(value.get(name), inner) for name, inner in column.fields}
        case kind:
            return _CELLS[kind](value) if kind in _CELLS else value


def misfits(value: Any, column: ColumnType, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield the places of values that the column cannot hold, each with what is expected there.

    A schema may allow such values: integers beyond 64 bits, times before the year 1 in UTC, and
    values of any type where the schema names no type.
    """
    if value is None:
        return
    if column.kind == "list" and isinstance(value, list):
        assert column.item is not None  # noqa: S101 - every list has one
        for index, entry in enumerate(value):
            yield from misfits(entry, column.item, (*path, index))
    elif column.kind == "struct" and isinstance(value, Mapping):
        for name, inner in column.fields:
            yield from misfits(value.get(name), inner, (*path, name))
    elif not _FITS[column.kind](value):
        yield path, _EXPECTED[column.kind]


def _utc(text: str) -> datetime:
    return parse_datetime(text).astimezone(UTC)


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
    """Whether a value is text that UTF-8 can encode."""
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)


def _is_parsed_by(parse: Callable[[str], object]) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        try:
            parse(value)
        except (TypeError, ValueError, OverflowError):
            return False
        return True

    return fits


def _is_json(value: Any) -> bool:
    return _is_text(_json(value))


_CELLS: Mapping[Kind, Callable[[Any], Any]] = {
    "json": _json,
    "date": parse_date,
    "timestamp": _utc,
    "double": float,
    "int64": int,
}
_FITS: Mapping[Kind, Callable[[Any], bool]] = {
    "boolean": lambda value: isinstance(value, bool),
    "int64": _is_integer,
    "double": _is_number,
    "string": _is_text,
    "enum": _is_text,
    "date": _is_parsed_by(parse_date),
    "timestamp": _is_parsed_by(_utc),
    "list": lambda _: False,
    "struct": lambda _: False,
    "json": _is_json,
}
_EXPECTED: Mapping[Kind, str] = {
    "boolean": "must be true or false",
    "int64": "must be an integer of at most 64 bits",
    "double": "must be a number of at most 64 bits",
    "string": "must be text without lone surrogates",
    "enum": "must be text without lone surrogates",
    "date": "must be a date such as 2026-11-30",
    "timestamp": "must be a time such as 2026-11-30T08:00:00Z",
    "list": "must be a list",
    "struct": "must be an object",
    "json": "must be text without lone surrogates",
}
