"""Writes the output as lines of JSON: one object per row, or Message Batches results."""

import base64
import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from batcher.core.answers.message import UnreadableMessage, parse_message
from batcher.core.answers.strict_json import dump, load
from batcher.errors import ConfigurationError
from batcher.outputs.atomic import put_in_place, sync_file

_FIRST_LINES = 100


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
    """Yield each row as a JSON object.

    Decimals become strings, times ISO strings, bytes Base64, durations seconds. NaN and the
    infinities, which JSON does not have, become null. Raises ConfigurationError for a nested column
    with times in nanoseconds, which Python cannot represent.
    """
    columns = [_convertible(table.column(name)) for name in table.column_names]
    try:
        rows = pa.table(columns, names=table.column_names).to_pylist()
    except ValueError:
        raise ConfigurationError(
            "a nested column has times in nanoseconds, which cannot be written as JSON lines",
            hint="remove the column from output.keep, or use --format parquet",
        ) from None
    for row in rows:
        yield dump(_json_value(row))


def batch_result_lines(results: pa.Table, *, has_samples: bool = False) -> Iterator[bytes]:
    """Yield results, with the columns of the store's query, as Message Batches results.

    The body of a message is copied unchanged. A row without a message is ``errored``.
    """
    for result in results.to_pylist():
        custom_id = dump(_custom_id(result, has_samples=has_samples))
        yield b'{"custom_id":' + custom_id + b',"result":' + _result(result) + b"}"


def _convertible(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert a column of times that Python has no type for, exactly, into text or seconds."""
    if pa.types.is_timestamp(column.type) or pa.types.is_time64(column.type):
        text = pc.cast(column, pa.string())
        return pc.replace_substring(text, " ", "T", max_replacements=1)
    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    if pa.types.is_duration(column.type):
        return pc.divide(
            pc.cast(column.cast(pa.int64()), pa.float64()), _PER_SECOND[column.type.unit]
        )
    return column


_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def _json_value(value: Any) -> Any:
    """Convert a value to types that JSON has."""
    if isinstance(value, Mapping):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if value is None or isinstance(value, str | int):
        return value
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _custom_id(result: Mapping[str, Any], *, has_samples: bool) -> str:
    """Return a unique id: the row's own, or its position when it has none or a duplicate one."""
    has_own_id = result["id"] is not None and result["error_type"] != "client.duplicate_id"
    name = result["id"] if has_own_id else f"row:{result['ordinal'] + 1}"
    return f"{name}:{result['sample']}" if has_samples else str(name)


def _result(result: Mapping[str, Any]) -> bytes:
    body = result["body"]
    if result["is_final"] and result["http_status"] == 200 and _is_message(body):
        # Line breaks in JSON only occur between values: inside strings they are escaped.
        on_one_line = bytes(body).replace(b"\n", b" ").replace(b"\r", b" ")
        return b'{"type":"succeeded","message":' + on_one_line + b"}"
    error = {
        "type": result["error_type"],
        "message": result["error_message"] or result["status"],
    }
    response = {"type": "error", "error": error, "request_id": result["request_id"]}
    return dump({"type": "errored", "error": response})


def _is_message(body: bytes | None) -> bool:
    try:
        return body is not None and bool(parse_message(body))
    except UnreadableMessage:
        return False
