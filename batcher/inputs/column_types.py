"""Finds one Arrow schema for the columns of a whole input."""

from collections.abc import Iterable, Sequence

import pyarrow as pa

from batcher.core.row import Row
from batcher.errors import InputError
from batcher.inputs.chunk import Chunk
from batcher.inputs.json_types import ColumnShape

MAX_COLUMNS = 2_000


class ColumnTypes:
    """Collects the types of the columns ``names`` chunk by chunk; None: all, in first-seen order.

    Parquet columns keep the types of the files. The types of JSONL columns are found from the
    values (see ``json_types``), in memory that does not grow with the number of rows. A JSONL
    column without any value is a string column.
    """

    def __init__(self, names: Sequence[str] | None) -> None:
        self._names = None if names is None else tuple(names)
        self._shapes = {name: ColumnShape() for name in self._names or ()}
        self._arrow: pa.Schema | None = None

    def add(self, chunk: Chunk) -> None:
        """Add the types of one chunk.

        Raises ``InputError`` when all columns are collected and there are more than
        ``MAX_COLUMNS``.
        """
        if chunk.arrow is not None:
            self._arrow = chunk.arrow.schema
            return
        rows = [row.values for row in chunk.rows if isinstance(row, Row)]
        if self._names is None:
            self._add_columns(name for values in rows for name in values)
        for name, shape in self._shapes.items():
            shape.add([values.get(name) for values in rows])

    def schema(self) -> pa.Schema:
        """Return the schema of the chunks added so far."""
        if self._arrow is None:
            return pa.schema([shape.field(name) for name, shape in self._shapes.items()])
        if self._names is None:
            return self._arrow
        fields = {field.name: field for field in self._arrow}
        return pa.schema([fields.get(name, pa.field(name, pa.null())) for name in self._names])

    def _add_columns(self, names: Iterable[str]) -> None:
        for name in dict.fromkeys(names):
            if name not in self._shapes:
                self._shapes[name] = ColumnShape()
        if len(self._shapes) > MAX_COLUMNS:
            raise InputError(
                f"the input has more than {MAX_COLUMNS:,} columns",
                hint="name the columns to keep in the job file: [output] keep = [...]",
            )
