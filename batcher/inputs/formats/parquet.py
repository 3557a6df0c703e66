"""Reads Parquet files in bounded memory and keeps their exact types."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from batcher.core.row import BadRow, Place, Row
from batcher.errors import InputError
from batcher.inputs.chunk import Chunk, Entry
from batcher.inputs.files import FileStamp
from batcher.inputs.formats.json_line import shown_key
from batcher.inputs.formats.python_values import python_values

_MAGIC = b"PAR1"
_HUGGING_FACE = b"huggingface"
# The number of rows in a chunk is chosen so that rows of average width stay below this size.
_CHUNK_BYTES = 16 * 2**20
_BUFFER_BYTES = 2**18


class ParquetFiles:
    """Reads the rows of Parquet files, one file after another, with one schema.

    ``schema`` is the union of the files' columns by name, in first-seen order. A column is null in
    the rows of a file that does not have it. Where types differ, the union has the wider type: any
    type instead of null, a wider integer of the same sign, large string instead of string. Other
    differences are an ``InputError``.
    """

    blank_lines = 0

    def __init__(self, files: Sequence[FileStamp]) -> None:
        self._files = files
        self.schema = _union(files)

    def chunks(self, wanted: frozenset[str] | None, rows_per_chunk: int) -> Iterator[Chunk]:
        """Yield the rows in chunks of at most ``rows_per_chunk``; a chunk never spans files."""
        schema = pa.schema([f for f in self.schema if wanted is None or f.name in wanted])
        ordinal = 0
        for file in self._files:
            file.check()
            line = 1
            for batch in _batches(file, schema, rows_per_chunk):
                yield _chunk(batch, schema, Place(file.name, line), ordinal)
                ordinal += batch.num_rows
                line += batch.num_rows


def _batches(file: FileStamp, schema: pa.Schema, rows_per_chunk: int) -> Iterator[pa.RecordBatch]:
    with _open(file) as parquet:
        names = set(parquet.schema_arrow.names)
        columns = [name for name in schema.names if name in names]
        size = min(rows_per_chunk, _rows_that_fit(parquet.metadata))
        for batch in parquet.iter_batches(batch_size=size, columns=columns, use_threads=False):
            if batch.num_rows:
                yield batch


def _rows_that_fit(metadata: pq.FileMetaData) -> int:
    """Return how many rows of the widest row group fit into ``_CHUNK_BYTES``, at least 1."""
    groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
    width = max((g.total_byte_size // max(g.num_rows, 1) for g in groups), default=0)
    return max(1, _CHUNK_BYTES // max(width, 1))


def _conformed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    names = set(batch.schema.names)
    columns = []
    for field in schema:
        if field.name not in names:
            columns.append(pa.nulls(batch.num_rows, field.type))
        else:  # the cast is exact: see _merged
            column = batch.column(field.name)
            columns.append(column if column.type == field.type else column.cast(field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _chunk(batch: pa.RecordBatch, schema: pa.Schema, first: Place, ordinal: int) -> Chunk:
    table = _conformed(batch, schema)
    names = table.column_names
    cells = [python_values(column) for column in table.columns]
    columns = [column.values for column in cells]
    problems = {
        index: f"column {shown_key(name)}: {problem}"
        for name, column in zip(names, cells, strict=True)
        for index, problem in column.problems.items()
    }
    rows: list[Entry] = []
    for index in range(batch.num_rows):  # a table without columns would have no rows
        place = Place(first.file, first.line + index)
        if index in problems:
            rows.append(BadRow(ordinal + index, place, problems[index]))
        else:
            values = dict(zip(names, [column[index] for column in columns], strict=True))
            rows.append(Row(ordinal + index, place, values))
    chunk = Chunk(tuple(rows), table)
    return chunk.pick(list(enumerate(rows))) if problems else chunk


def _union(files: Sequence[FileStamp]) -> pa.Schema:
    types: dict[str, tuple[pa.DataType, str]] = {}
    metadata: dict[bytes, bytes] = {}
    for file in files:
        with _open(file) as parquet:
            schema = parquet.schema_arrow
        if len(set(schema.names)) != len(schema.names):
            raise InputError(
                f"{file.name} has two columns of the same name", hint="rename one of them"
            )
        for field in schema:
            known, first = types.get(field.name, (field.type, file.name))
            merged = _merged(known, field.type)
            if merged is None:
                raise InputError(
                    f"column {shown_key(field.name)} is {known} in {first}"
                    f" and {field.type} in {file.name}",
                    hint="write the files again with one type, or make one job for each type",
                )
            types[field.name] = (merged, first if merged == known else file.name)
        metadata.setdefault(_HUGGING_FACE, (schema.metadata or {}).get(_HUGGING_FACE, b"{}"))
    return pa.schema([pa.field(name, kind) for name, (kind, _) in types.items()], metadata)


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


def _merged(first: pa.DataType, second: pa.DataType) -> pa.DataType | None:
    """Return the type that can hold the values of both types exactly, or None."""
    if first == second or pa.types.is_null(second):
        return first
    if pa.types.is_null(first):
        return second
    families = (pa.types.is_signed_integer, pa.types.is_unsigned_integer, _is_text, _is_bytes)
    if any(is_of(first) and is_of(second) for is_of in families):
        fields = [pa.schema([pa.field("x", kind)]) for kind in (first, second)]
        return pa.unify_schemas(fields, promote_options="permissive").field(0).type
    return None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


@contextmanager
def _open(file: FileStamp) -> Iterator[pq.ParquetFile]:
    """Open a file; Arrow's errors become an ``InputError`` with the file's name."""
    try:
        with pq.ParquetFile(
            str(file.path),
            buffer_size=_BUFFER_BYTES,
            pre_buffer=False,
            page_checksum_verification=True,
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
