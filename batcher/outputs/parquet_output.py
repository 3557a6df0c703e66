"""Writes Parquet that appears whole: one file, or a folder of parts."""

import contextlib
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from batcher.core.written_files import METADATA_KEY
from batcher.outputs.atomic import put_in_place, sync_file, sync_folder

_GROUP_ROWS = 4_096
_GROUP_BYTES = 8 << 20


class ParquetOutput:
    """Writes tables as row groups under a temporary name; ``finish`` renames the output.

    Without ``finish``, no file remains when the context ends. Row groups are small, to bound
    memory. Pages have checksums, so that readers that check them detect a flipped bit.
    """

    def __init__(self, path: Path, schema: pa.Schema, *, rows_per_file: int | None) -> None:
        self._path = path
        self._schema = schema
        self._rows_per_file = rows_per_file
        self._temporary = path.with_name(f".{path.name}.new")
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._rows_in_file = 0
        self._files = 0
        clear_leftovers(path)
        if rows_per_file is not None:
            self._temporary.mkdir()

    def __enter__(self) -> "ParquetOutput":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):  # the disk may be full; the file is deleted
                self._writer.close()
        _remove(self._temporary)

    def write(self, table: pa.Table) -> None:
        """Add rows; they must have the output's schema."""
        while table.num_rows:
            if self._rows_left() == 0:
                self._end_file({})
            part = table.slice(0, self._rows_left())
            self._add(part)
            table = table.slice(part.num_rows)

    def finish(self, metadata: Mapping[str, Any] | None) -> None:
        """Write the remaining rows and the metadata, then rename the output to its final path.

        A file without metadata is a user's own: no run takes it for an output and replaces it.
        """
        self._end_file(metadata)
        if self._rows_per_file is not None:
            sync_folder(self._temporary)
        put_in_place(self._temporary, self._path)

    def _add(self, table: pa.Table) -> None:
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        size = sum(waiting.nbytes for waiting in self._waiting)
        if self._waiting_rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            group = pa.concat_tables(self._waiting)
            self._open().write_table(group, row_group_size=group.num_rows)
            self._rows_in_file += group.num_rows
            self._waiting, self._waiting_rows = [], 0

    def _open(self) -> pq.ParquetWriter:
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._file(), self._schema, compression="zstd", write_page_checksum=True
            )
        return self._writer

    def _file(self) -> Path:
        if self._rows_per_file is None:
            return self._temporary
        return self._temporary / f"part-{self._files:05}.parquet"

    def _rows_left(self) -> int:
        """Return how many rows still fit into the current file."""
        if self._rows_per_file is None:
            return sys.maxsize
        return self._rows_per_file - self._rows_in_file - self._waiting_rows

    def _end_file(self, metadata: Mapping[str, Any] | None) -> None:
        self._flush()
        writer = self._open()
        if metadata is not None:
            writer.add_key_value_metadata({METADATA_KEY: json.dumps(metadata, default=str)})
        writer.close()
        sync_file(self._file())
        self._writer = None
        self._rows_in_file = 0
        self._files += 1


def read_metadata(path: Path) -> dict[str, Any] | None:
    """Return the metadata of an output; None when the output is missing or not from batcher."""
    files = sorted(path.glob("part-*.parquet")) if path.is_dir() else [path]
    try:
        return decode_metadata(pq.read_metadata(files[-1]).metadata or {})
    except (OSError, IndexError, ValueError, pa.ArrowException):
        return None


def decode_metadata(content: Mapping[bytes, bytes]) -> dict[str, Any] | None:
    """Return batcher's part of a file's metadata; None when batcher did not write the file."""
    try:
        metadata = json.loads(content[METADATA_KEY])
    except (KeyError, ValueError):
        return None
    return metadata if isinstance(metadata, dict) else None


def count_rows(path: Path) -> int:
    """Return the number of rows in one file of an output."""
    return int(pq.read_metadata(path).num_rows)


def clear_leftovers(path: Path) -> None:
    """Remove temporary files that a killed run left beside an output."""
    for kind in ("new", "old"):
        _remove(path.with_name(f".{path.name}.{kind}"))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
