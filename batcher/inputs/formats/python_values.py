"""Turns Arrow columns into Python values without changing any of them.

Text, numbers, booleans, bytes, Decimal, date, time, datetime and timedelta become the Python type
of that name. Floats of 32 and 16 bits are ``ShortFloat``. Python's times are exact to the
microsecond: a time, a datetime or a duration with nanoseconds becomes its text in ISO 8601.
Dictionaries are decoded; lists become list, structs and maps dict, UUIDs str. A value that Python
cannot hold is ``Unreadable``.
"""

import contextlib
import struct
import uuid
from collections.abc import Callable
from datetime import datetime, time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import types

from batcher.core.row import ShortFloat, Unreadable
from batcher.core.template.values import duration_text
from batcher.late import late_module

if TYPE_CHECKING:
    import pyarrow.compute as pc
else:
    pc = late_module("pyarrow.compute")

_ERRORS = (ValueError, OverflowError, KeyError, TypeError, pa.ArrowException)


class _UnreadableError(ValueError):
    """A value has no Python form; the text is the reason."""


def python_values(column: pa.Array) -> list[object]:
    """Return one value for each row of a column."""
    try:
        return _values(column)
    except _ERRORS:
        return [_one_value(column.slice(position, 1)) for position in range(len(column))]


def _one_value(cell: pa.Array) -> object:
    try:
        return _values(cell)[0]
    except _UnreadableError as error:
        return Unreadable(str(error))
    except UnicodeDecodeError:
        return Unreadable("text that is not valid UTF-8")
    except _ERRORS:
        return Unreadable(f"outside the range that can be read from {cell.type}")


def _values(column: pa.Array) -> list[object]:
    """Return the values of a column; raise when one of them has no Python form."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _of_extension(column)
    for matches, read in _READERS:
        if matches(kind):
            return read(column)
    values: list[object] = column.to_pylist()
    return values


def _of_extension(column: pa.ExtensionArray) -> list[object]:
    values = _values(column.storage)
    if isinstance(column.type, pa.UuidType):
        return [str(uuid.UUID(bytes=v)) if isinstance(v, bytes) else v for v in values]
    if isinstance(column.type, pa.Bool8Type):
        return [None if value is None else bool(value) for value in values]
    return values


def _of_list(column: pa.Array) -> list[list[Any] | None]:
    inner = iter(_values(column.flatten()))
    lengths = pc.list_value_length(column).to_pylist()
    return [None if length is None else [next(inner) for _ in range(length)] for length in lengths]


def _of_struct(column: pa.StructArray) -> list[object]:
    names = [field.name for field in column.type]
    if len(set(names)) < len(names):
        raise _UnreadableError("a struct with two fields of the same name")
    fields = [_values(field) for field in column.flatten()]
    is_there = column.is_valid().to_pylist()
    rows = zip(*fields, strict=True) if fields else ((),) * len(is_there)
    return [
        dict(zip(names, row, strict=True)) if valid else None
        for valid, row in zip(is_there, rows, strict=True)
    ]


def _of_map(column: pa.MapArray) -> list[object]:
    kind = column.type
    entries = pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))
    return [None if pairs is None else _mapping(pairs) for pairs in _of_list(column.cast(entries))]


def _mapping(pairs: list[Any]) -> dict[object, object]:
    mapping = {pair["key"]: pair["value"] for pair in pairs}
    if len(mapping) < len(pairs):
        raise _UnreadableError("a map with the same key twice")
    return mapping


def _of_dictionary(column: pa.DictionaryArray) -> list[object]:
    return _values(column.dictionary_decode())


def _of_run_ends(column: pa.Array) -> list[object]:
    return _values(pc.run_end_decode(column))


def _of_float32(column: pa.Array) -> list[object]:
    # Arrow writes the shortest text of a 32-bit float.
    shorts = column.cast(pa.string()).cast(pa.float64()).to_pylist()
    return _short_floats(column.to_pylist(), shorts)


def _of_float16(column: pa.Array) -> list[object]:
    values = [None if value is None else float(value) for value in column.to_pylist()]
    return _short_floats(
        values, [None if value is None else _shortest16(value) for value in values]
    )


def _short_floats(values: list[float | None], shorts: list[float | None]) -> list[object]:
    return [
        value if value is None or short is None else ShortFloat.of(value, short)
        for value, short in zip(values, shorts, strict=True)
    ]


def _shortest16(value: float) -> float:
    """Return the double with the shortest text that is read as the same 16-bit float."""
    for digits in range(1, 6):
        short = float(f"{value:.{digits}g}")
        try:
            if struct.unpack("<e", struct.pack("<e", short))[0] == value:
                return short
        except OverflowError:  # it is rounded beyond the largest 16-bit float
            continue
    return value


def _of_timestamp(column: pa.Array) -> list[object]:
    return _of_nanoseconds(column, pa.timestamp("us", column.type.tz), _datetime_text)


def _of_time(column: pa.Array) -> list[object]:
    return _of_nanoseconds(column, pa.time64("us"), _time_text)


def _of_duration(column: pa.Array) -> list[object]:
    return _of_nanoseconds(column, pa.duration("us"), lambda _, number: duration_text(number))


def _of_nanoseconds(
    column: pa.Array, micro: pa.DataType, write: Callable[[Any, int], str]
) -> list[object]:
    """Return values in microseconds, and the text of those that have nanoseconds."""
    with contextlib.suppress(pa.ArrowInvalid):  # a value has nanoseconds
        return list[object](column.cast(micro).to_pylist())
    numbers = column.cast(pa.int64()).to_pylist()
    whole = pa.array([None if n is None else n // 1_000 for n in numbers], pa.int64())
    return [
        value if number is None or number % 1_000 == 0 else write(value, number)
        for value, number in zip(whole.cast(micro).to_pylist(), numbers, strict=True)
    ]


def _datetime_text(value: datetime, number: int) -> str:
    return _with_nanoseconds(value, number, len("2026-11-22T10:00:00.000000"))


def _time_text(value: time, number: int) -> str:
    return _with_nanoseconds(value, number, len("10:00:00.000000"))


def _with_nanoseconds(value: datetime | time, number: int, end: int) -> str:
    """Write a time; its nanoseconds belong at ``end``, before the time zone."""
    text = value.isoformat(timespec="microseconds")
    return f"{text[:end]}{number % 1_000:03d}{text[end:]}"


def _is_list(kind: pa.DataType) -> bool:
    return any(
        matches(kind)
        for matches in (
            types.is_list,
            types.is_large_list,
            types.is_fixed_size_list,
            types.is_list_view,
            types.is_large_list_view,
        )
    )


_READERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any], list[Any]]], ...] = (
    (types.is_float32, _of_float32),
    (types.is_float16, _of_float16),
    (lambda kind: types.is_timestamp(kind) and kind.unit == "ns", _of_timestamp),
    (lambda kind: types.is_time64(kind) and kind.unit == "ns", _of_time),
    (lambda kind: types.is_duration(kind) and kind.unit == "ns", _of_duration),
    (types.is_dictionary, _of_dictionary),
    (types.is_run_end_encoded, _of_run_ends),
    (types.is_map, _of_map),
    (types.is_struct, _of_struct),
    (_is_list, _of_list),
)
