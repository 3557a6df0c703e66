"""Turns Arrow columns into Python values.

Text, numbers, booleans, bytes, Decimal, date, time, datetime and timedelta come as themselves,
dictionaries decoded, lists as list, structs and maps as dict, UUIDs as str. Python's times end at
microseconds, so finer parts are dropped here; the Arrow column keeps them.
"""

import uuid
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Cells:
    """A column's values; ``problems`` says, by position, why one that is None cannot be read."""

    values: list[object]
    problems: dict[int, str]


_ERRORS = (ValueError, OverflowError, KeyError, TypeError, pa.ArrowException)


def python_values(column: pa.ChunkedArray) -> Cells:
    """Return one value for each row; a problem quotes nothing."""
    kind = _in_microseconds(column.type)
    # Asking for dicts makes Arrow ten times slower, so only where there are maps.
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
    for at, scalar in enumerate(column):
        try:
            values.append(scalar.as_py(maps_as_pydicts=maps))
        except _ERRORS as error:
            values.append(None)
            problems[at] = _problem(error, scalar.type)
    return Cells(values, problems)


def _problem(error: Exception, kind: pa.DataType) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "its text is not valid UTF-8"
    if isinstance(error, KeyError):
        return "a map holds the same key twice"
    return f"its {kind} is beyond what can be read as a value"


def _has_map(kind: pa.DataType) -> bool:
    inner = (kind.field(at).type for at in range(kind.num_fields))
    return bool(pa.types.is_map(kind)) or any(map(_has_map, inner))


def _in_microseconds(kind: pa.DataType) -> pa.DataType:
    """Return the type with microseconds for nanoseconds, which Python cannot hold."""
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
