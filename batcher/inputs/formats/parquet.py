"""Reads Parquet files in bounded memory and keeps their exact types and values."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from batcher.core.row import Place, Row
from batcher.errors import InputError
from batcher.inputs.chunk import Chunk, Needed, take
from batcher.inputs.file_stamp import FileStamp
from batcher.inputs.formats.int96 import Unit, UnitError, int96_columns, unit_of
from batcher.inputs.formats.json_line import shown_key
from batcher.inputs.formats.merged_types import merged_type
from batcher.inputs.formats.python_values import python_values

_MAGIC = b"PAR1"
_HUGGING_FACE = b"huggingface"
# The number of rows in a chunk is chosen so that rows of average width stay below this size.
_CHUNK_BYTES = 16 * 2**20
_BUFFER_BYTES = 2**18


class ParquetFiles:
    """Reads the rows of Parquet files, one file after another, with one schema.

    ``schema`` is the union of the files' columns by name, in first-seen order. A column is null in
    the rows of a file that does not have it. Where types differ, kept columns get the type that
    holds all values exactly (see ``merged_types``); without such a type, a column that is needed is
    an ``InputError``. Rows have the values of their own file's type, so that a row stays the same
    when files are added.
    """

    blank_lines = 0
    may_grow = False

    def __init__(self, files: Sequence[FileStamp]) -> None:
        self._files = files
        self._unions = {"ns": _Union(files, "ns")}
        self._units: dict[frozenset[str], Unit] = {}
        self.schema: pa.Schema | None = self._unions["ns"].schema

    def chunks(self, needed: Needed, rows_per_chunk: int) -> Iterator[Chunk]:
        """Yield the rows in chunks of at most ``rows_per_chunk``; a chunk never spans files."""
        names = self._unions["ns"].schema.names
        used = [name for name in names if needed.used is None or name in needed.used]
        kept = [name for name in names if needed.kept is None or name in needed.kept]
        unit = self._unit({*used, *kept})
        if unit not in self._unions:
            self._unions[unit] = _Union(self._files, unit)
        union = self._unions[unit]
        union.check({*kept, *(needed.used or ())})
        ordinal = 0
        for file in self._files:
            file.check()
            line = 1
            for batch in _batches(file, {*used, *kept}, unit, rows_per_chunk):
                table, lost = union.conformed(batch, kept)
                rows = _rows(batch, used, Place(file.name, line), ordinal)
                yield Chunk(tuple(rows), table, lost)
                ordinal += batch.num_rows
                line += batch.num_rows

    def _unit(self, names: set[str]) -> Unit:
        """Return the unit of INT96 timestamps that changes no value of some columns."""
        key = frozenset(names)
        if key not in self._units:
            self._units[key] = _int96_unit(self._files, names)
        return self._units[key]


class _Union:
    """The columns of all files, and the types that they have in each of them."""

    def __init__(self, files: Sequence[FileStamp], unit: Unit) -> None:
        self._seen: dict[str, dict[pa.DataType, str]] = {}
        self._merged: dict[str, pa.DataType | None] = {}
        metadata: dict[bytes, bytes] = {}
        for file in files:
            with _open(file, unit) as parquet:
                schema = parquet.schema_arrow
            if len(set(schema.names)) != len(schema.names):
                raise InputError(
                    f"{file.name} has two columns of the same name", hint="rename one of them"
                )
            for field in schema:
                self._add(field, file)
            metadata.setdefault(_HUGGING_FACE, (schema.metadata or {}).get(_HUGGING_FACE, b"{}"))
        fields = [
            pa.field(name, next(iter(self._seen[name])) if kind is None else kind)
            for name, kind in self._merged.items()
        ]
        self.schema = pa.schema(fields, metadata)

    def _add(self, field: pa.Field, file: FileStamp) -> None:
        name, kind = field.name, field.type
        known = self._merged.setdefault(name, kind)
        self._seen.setdefault(name, {}).setdefault(kind, file.name)
        if known is not None:
            self._merged[name] = merged_type(known, kind)

    def check(self, names: set[str]) -> None:
        """Raise ``InputError`` when no type holds the values of one of the columns."""
        for name in self.schema.names:
            if name in names and self._merged[name] is None:
                raise self._conflict(name, "")

    def conformed(
        self, batch: pa.RecordBatch, names: Sequence[str]
    ) -> tuple[pa.Table, dict[str, dict[int, str]]]:
        """Return columns of a batch with the types of the union, and what no output can hold."""
        lost: dict[str, dict[int, str]] = {}
        columns: list[pa.Array | pa.ChunkedArray] = []
        for name in names:
            kind = self.schema.field(name).type
            if name not in batch.schema.names:
                columns.append(pa.nulls(batch.num_rows, kind))
                continue
            column, problems = _valid(batch.column(name))
            if problems:
                lost[name] = problems
            try:
                columns.append(column if column.type == kind else column.cast(kind))
            except pa.ArrowInvalid as error:
                raise self._conflict(name, f", and {kind} does not hold all values") from error
        fields = [self.schema.field(name) for name in names]
        return pa.Table.from_arrays(columns, schema=pa.schema(fields)), lost

    def _conflict(self, name: str, reason: str) -> InputError:
        kinds = " and ".join(f"{kind} in {file}" for kind, file in self._seen[name].items())
        return InputError(
            f"column {shown_key(name)} is {kinds}{reason}",
            hint="write the files again with one type, or leave the column out of the prompt and "
            "of output.keep",
        )


def _int96_unit(files: Sequence[FileStamp], names: set[str]) -> Unit:
    """Return the unit in which the INT96 timestamps of some columns can be read exactly."""
    found: set[str] = set()

    def pairs() -> Iterator[tuple[pa.Array, pa.Array]]:
        for file in files:
            with _open(file, "ns") as nano, _open(file, "us") as micro:
                columns = int96_columns(nano, names & set(nano.schema_arrow.names))
                if not columns:
                    continue
                found.update(columns)
                both = (
                    parquet.iter_batches(columns=columns, use_threads=False)
                    for parquet in (nano, micro)
                )
                for in_nano, in_micro in zip(*both, strict=True):
                    yield from zip(in_nano.columns, in_micro.columns, strict=True)

    try:
        return unit_of(pairs())
    except UnitError:
        raise InputError(
            f"the INT96 timestamps of {', '.join(map(shown_key, sorted(found)))} have nanoseconds "
            "and years that nanoseconds do not reach",
            hint="write the files again with timestamps in microseconds",
        ) from None


def _batches(
    file: FileStamp, names: set[str], unit: Unit, rows_per_chunk: int
) -> Iterator[pa.RecordBatch]:
    with _open(file, unit) as parquet:
        columns = [name for name in parquet.schema_arrow.names if name in names]
        size = min(rows_per_chunk, _rows_that_fit(parquet.metadata))
        for batch in parquet.iter_batches(batch_size=size, columns=columns, use_threads=False):
            if batch.num_rows:
                yield batch


def _rows_that_fit(metadata: pq.FileMetaData) -> int:
    """Return how many rows of the widest row group fit into ``_CHUNK_BYTES``, at least 1."""
    groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
    width = max((g.total_byte_size // max(g.num_rows, 1) for g in groups), default=0)
    return max(1, _CHUNK_BYTES // max(width, 1))


def _rows(batch: pa.RecordBatch, names: Sequence[str], first: Place, ordinal: int) -> Iterator[Row]:
    there = set(batch.schema.names)
    columns = [
        python_values(batch.column(name)) if name in there else [None] * batch.num_rows
        for name in names
    ]
    for index in range(batch.num_rows):  # a batch without columns would have no rows
        values = dict(zip(names, [column[index] for column in columns], strict=True))
        yield Row(ordinal + index, Place(first.file, first.line + index), values)


def _valid(column: pa.Array) -> tuple[pa.Array | pa.ChunkedArray, dict[int, str]]:
    """Return a column with null for each value that is not valid Arrow, and the reasons."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        broken = [n for n in range(len(column)) if not _is_valid(column.slice(n, 1))]
        positions = [None if n in broken else n for n in range(len(column))]
        nulled = take(pa.table([column], ["x"]), positions).column("x")
        return nulled, dict.fromkeys(broken, "text that is not valid UTF-8")
    return column, {}


def _is_valid(cell: pa.Array) -> bool:
    try:
        cell.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def class_names(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    """Return the class names of each column that Hugging Face metadata calls a ``ClassLabel``."""
    try:
        metadata = json.loads((schema.metadata or {}).get(_HUGGING_FACE, b"{}"))
        features = metadata.get("info", {}).get("features", {})
        return {
            name: tuple(map(str, feature["names"]))
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}  # the metadata comes from another program and may have any shape


@contextmanager
def _open(file: FileStamp, unit: Unit) -> Iterator[pq.ParquetFile]:
    """Open a file; Arrow's errors become an ``InputError`` with the file's name."""
    try:
        with pq.ParquetFile(
            str(file.path),
            buffer_size=_BUFFER_BYTES,
            pre_buffer=False,
            page_checksum_verification=True,
            coerce_int96_timestamp_unit=unit,
        ) as parquet:
            yield parquet
    except (pa.ArrowException, OSError) as error:
        _refuse_wrong_ends(file)
        raise _damaged(file.name) from error


def _refuse_wrong_ends(file: FileStamp) -> None:
    """Raise a more exact ``InputError`` when the first or last bytes show what is wrong."""
    start, end = _ends(file.path)
    if start == b"PARE":
        raise InputError(f"{file.name} is encrypted Parquet, which is not supported")
    if start != _MAGIC:
        raise InputError(f"{file.name} is not a Parquet file, although its name ends like one")
    if end != _MAGIC:
        raise InputError(
            f"{file.name} is cut short: the end of the Parquet file is missing",
            hint="copy or write the file again; perhaps a program was still writing it",
        )


def _ends(path: Path) -> tuple[bytes, bytes]:
    try:
        with path.open("rb") as file:
            start = file.read(4)
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 4))
            return start, file.read(4)
    except OSError:
        return _MAGIC, _MAGIC


def _damaged(name: str) -> InputError:
    return InputError(
        f"{name} is damaged or uses Parquet features that cannot be read",
        hint="copy or write the file again",
    )
