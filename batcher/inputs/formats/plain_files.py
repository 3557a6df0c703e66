"""Reads a folder of images or documents: one row for each file, with the column ``file``."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from batcher.core.row import BadRow, Place, Row
from batcher.inputs.chunk import Chunk, Entry, Needed
from batcher.inputs.file_stamp import FileStamp

COLUMN = "file"


class PlainFiles:
    """One row for each file, in the order of the paths; a file's content is read with its request.

    The column ``file`` has the path below ``root``, for [request] ``images`` or ``documents``.
    """

    may_grow = False

    def __init__(self, files: Sequence[FileStamp], root: Path) -> None:
        self._files = files
        self._root = root
        self.schema: pa.Schema | None = pa.schema([(COLUMN, pa.string())])
        self.blank_lines = 0

    def chunks(self, needed: Needed, rows_per_chunk: int) -> Iterator[Chunk]:
        """Yield the rows in chunks of at most ``rows_per_chunk``."""
        for first in range(0, len(self._files), rows_per_chunk):
            files = self._files[first : first + rows_per_chunk]
            rows = [_row(number, file, self._root) for number, file in enumerate(files, first)]
            names = [row.values[COLUMN] if isinstance(row, Row) else None for row in rows]
            chunk = Chunk(tuple(rows), pa.table({COLUMN: pa.array(names, pa.string())}))
            yield chunk.select(needed)


def _row(ordinal: int, file: FileStamp, root: Path) -> Entry:
    file.check()
    name, place = str(file.path.relative_to(root)), Place(file.name, 1)
    try:
        name.encode()
    except UnicodeEncodeError:
        return BadRow(ordinal, place, "the file's name is not UTF-8; rename the file")
    return Row(ordinal, place, {COLUMN: name})
