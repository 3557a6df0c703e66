"""Writes the output as lines of JSON: one object per row, or Message Batches results."""

import base64
import contextlib
import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from batcher.core.answers.message import UnreadableMessage, parse_message
from batcher.core.answers.strict_json import dump, load
from batcher.outputs.atomic import put_in_place, sync_file

_FIRST_LINES = 100
_NOT_BEGUN = ("canceled", "expired")


class LinesOutput:
    """Writes lines under a temporary name; ``finish`` puts the file in place.

    Without ``finish``, no file remains when the context ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.new")
        self._temporary.unlink(missing_ok=True)
        self._file: BinaryIO = self._temporary.open("xb")  # never through a link

    def __enter__(self) -> "LinesOutput":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):  # the disk may be full; the file is deleted
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def write(self, lines: Iterable[bytes]) -> None:
        """Add lines; they must not contain line breaks."""
        for line in lines:
            self._file.write(line + b"\n")

    def finish(self) -> None:
        """Wait until the file is on the disk, then rename it to its final path."""
        self._file.close()
        sync_file(self._temporary)
        put_in_place(self._temporary, self._path)


def read_first_objects(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the first objects of a file of JSON lines; nothing when the first line is not one."""
    with path.open("rb") as file:
        lines = (line.strip() for line in islice(file, _FIRST_LINES))
        for line in filter(None, lines):
            try:
                value = load(line)
            except ValueError:
                return
            if not isinstance(value, dict):
                return
            yield value


def json_lines(table: pa.Table) -> Iterator[bytes]:
    """Yield each row as a JSON object; see ``json_rows``."""
    return map(dump, json_rows(table))


def json_rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Yield each row with values that JSON has.

    Decimals become strings, times ISO strings, bytes Base64, durations seconds. A float of 32 or 16
    bits has its shortest text. NaN and the infinities, which JSON does not have, become null.
    """
    columns = [_convertible(table.column(name)) for name in table.column_names]
    kinds = dict(zip(table.column_names, table.schema.types, strict=True))
    for row in pa.table(columns, names=table.column_names).to_pylist():
        yield {name: _json_value(value, kinds[name]) for name, value in row.items()}


def batch_result_lines(results: pa.Table, *, has_samples: bool = False) -> Iterator[bytes]:
    """Yield results, with the columns of the store's query, as Message Batches results.

    The body of a message is copied unchanged. A row without a message is ``errored``, or as the API
    says it of a request that its batch did not begin.
    """
    for result in results.to_pylist():
        custom_id = dump(_custom_id(result, has_samples=has_samples))
        yield b'{"custom_id":' + custom_id + b',"result":' + _result(result) + b"}"


def _convertible(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert times that Python has no type for, exactly: into text, or into seconds."""
    if types.is_duration(column.type):
        return pc.divide(
            pc.cast(column.cast(pa.int64()), pa.float64()), _PER_SECOND[column.type.unit]
        )
    kind = _with_texts(column.type)
    return column if kind == column.type else column.cast(kind)


def _with_texts(kind: pa.DataType) -> pa.DataType:
    """Return a type with text for its times, at any depth, and without dictionaries."""
    if types.is_timestamp(kind) or types.is_time64(kind):
        return pa.string()
    if types.is_dictionary(kind):
        return _with_texts(kind.value_type)
    if types.is_list(kind):
        return pa.list_(_with_texts(kind.value_type))
    if types.is_large_list(kind):
        return pa.large_list(_with_texts(kind.value_type))
    if types.is_map(kind):
        return pa.map_(kind.key_type, _with_texts(kind.item_type))
    if types.is_struct(kind):
        return pa.struct([field.with_type(_with_texts(field.type)) for field in kind])
    return kind


_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def _json_value(value: Any, kind: pa.DataType) -> Any:
    """Convert a value of a column of that type to types that JSON has."""
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if isinstance(value, Mapping):
        return {str(key): _json_value(item, kind.field(key).type) for key, item in value.items()}
    if isinstance(value, list):
        return [_json_value(item, kind.field(0).type) for item in value]
    if isinstance(value, tuple):  # an entry of a map
        return [_json_value(item, field.type) for item, field in zip(value, kind, strict=True)]
    if isinstance(value, float):
        return _shortest(value, kind) if math.isfinite(value) else None
    if value is None or isinstance(value, int):
        return value
    return _text(value, kind)


def _text(value: Any, kind: pa.DataType) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return format(value, "f")
    is_time = types.is_timestamp(kind) and value[10:11] == " "
    return value.replace(" ", "T", 1) if is_time else str(value)


def _shortest(value: float, kind: pa.DataType) -> float:
    """Return the double with the shortest text that is the same float of the column's type."""
    code = "<e" if types.is_float16(kind) else "<f" if types.is_float32(kind) else None
    for digits in range(1, 10 if code else 0):
        short = float(f"{value:.{digits}g}")
        with contextlib.suppress(OverflowError):  # it is rounded beyond the largest float
            if struct.unpack(str(code), struct.pack(str(code), short))[0] == value:
                return short
    return value


def _custom_id(result: Mapping[str, Any], *, has_samples: bool) -> str:
    """Return a unique id: the row's own, or its position when it has none or a duplicate one."""
    has_own_id = result["id"] is not None and result["error_type"] != "client.duplicate_id"
    name = result["id"] if has_own_id else f"row:{result['ordinal'] + 1}"
    return f"{name}:{result['sample']}" if has_samples else str(name)


def _result(result: Mapping[str, Any]) -> bytes:
    body = result["body"]
    if result["is_final"] and result["http_status"] in (200, None) and _is_message(body):
        # Line breaks in JSON only occur between values: inside strings they are escaped.
        on_one_line = bytes(body).replace(b"\n", b" ").replace(b"\r", b" ")
        return b'{"type":"succeeded","message":' + on_one_line + b"}"
    if result["status"] in _NOT_BEGUN:
        return dump({"type": result["status"]})
    error = {
        "type": result["error_type"],
        "message": result["error_message"] or result["status"],
    }
    response = {"type": "error", "error": error, "request_id": result["request_id"]}
    return dump({"type": "errored", "error": response})


def _is_message(body: bytes | None) -> bool:
    try:
        return body is not None and not parse_message(body).has_special_numbers
    except UnreadableMessage:
        return False
