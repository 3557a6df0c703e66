"""Takes images and documents for rows: one a file, with the column ``file``."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from batcher.core.row import Place, Row
from batcher.inputs.chunk import Chunk
from batcher.inputs.files import FileStamp

COLUMN = "file"


class PlainFiles:
    """One row for each file, in the order of their paths; what is in it is read as it is asked.

    ``file`` is the path below the folder that all of them are in, as ``images`` and ``documents``
    take it.
    """

    def __init__(self, files: Sequence[FileStamp]) -> None:
        self._files = files
        self._root = Path(os.path.commonpath([file.path.parent for file in files]))
        self.schema: pa.Schema | None = pa.schema([(COLUMN, pa.string())])
        self.blank_lines = 0

    def chunks(self, wanted: frozenset[str] | None, rows_per_chunk: int) -> Iterator[Chunk]:
        """Yield the rows in chunks of at most ``rows_per_chunk``."""
        for first in range(0, len(self._files), rows_per_chunk):
            rows = [
                self._row(number, file, wanted)
                for number, file in enumerate(self._files[first : first + rows_per_chunk], first)
            ]
            table = pa.table({COLUMN: [str(row.values.get(COLUMN)) for row in rows]})
            is_wanted = wanted is None or COLUMN in wanted
            yield Chunk(tuple(rows), table if is_wanted else table.select([]))

    def _row(self, ordinal: int, file: FileStamp, wanted: frozenset[str] | None) -> Row:
        file.check()
        values = {COLUMN: str(file.path.relative_to(self._root))}
        is_wanted = wanted is None or COLUMN in wanted
        return Row(ordinal, Place(file.name, 1), values if is_wanted else {})
