"""Turns Arrow columns into Python values.

Text, numbers, booleans, bytes, Decimal, date, time, datetime and timedelta become the Python type
of that name. Dictionaries are decoded; lists become list, structs and maps dict, UUIDs str.
Python's times are exact to the microsecond: nanoseconds are dropped here, but kept in the Arrow
column.
"""

import uuid
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Cells:
    """The values of a column; ``problems`` has, by position, why a value cannot be read."""

    values: list[object]
    problems: dict[int, str]


_ERRORS = (ValueError, OverflowError, KeyError, TypeError, pa.ArrowException)


def python_values(column: pa.ChunkedArray) -> Cells:
    """Return one value for each row; problems quote no values."""
    kind = _in_microseconds(column.type)
    # Converting maps to dicts makes Arrow ten times slower, so only columns with maps do it.
    maps = "strict" if _has_map(kind) else None
    try:
        if kind != column.type:
            column = column.cast(kind, safe=False)
        values: list[object] = column.to_pylist(maps_as_pydicts=maps)
    except _ERRORS:
        return _one_by_one(column, maps)
    if isinstance(kind, pa.UuidType):
        values = [str(value) if isinstance(value, uuid.UUID) else value for value in values]
    return Cells(values, {})


def _one_by_one(column: pa.ChunkedArray, maps: str | None) -> Cells:
    values: list[object] = []
    problems: dict[int, str] = {}
    for position, scalar in enumerate(column):
        try:
            values.append(scalar.as_py(maps_as_pydicts=maps))
        except _ERRORS as error:
            values.append(None)
            problems[position] = _problem(error, scalar.type)
    return Cells(values, problems)


def _problem(error: Exception, kind: pa.DataType) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "the text is not valid UTF-8"
    if isinstance(error, KeyError):
        return "a map has the same key twice"
    return f"the value is outside the range that can be read from {kind}"


def _has_map(kind: pa.DataType) -> bool:
    inner = (kind.field(index).type for index in range(kind.num_fields))
    return bool(pa.types.is_map(kind)) or any(map(_has_map, inner))


def _in_microseconds(kind: pa.DataType) -> pa.DataType:
    """Return the type with microseconds instead of nanoseconds, which Python does not have."""
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if pa.types.is_time64(kind) and kind.unit == "ns":
        return pa.time64("us")
    if pa.types.is_duration(kind) and kind.unit == "ns":
        return pa.duration("us")
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_in_microseconds(kind.value_type)))
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_in_microseconds(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_in_microseconds(field.type)) for field in kind])
    return kind
