"""A chunk: consecutive rows of the input, and their columns as an Arrow table."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from batcher.core.row import BadRow, Row
from batcher.inputs.json_types import ColumnShape, to_array

Entry = Row | BadRow


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows in input order. ``arrow`` holds the same rows as read from Parquet; None for JSONL."""

    rows: tuple[Entry, ...]
    arrow: pa.Table | None = field(default=None, repr=False)

    def table(self, names: Sequence[str], schema: pa.Schema | None = None) -> pa.Table:
        """Return a table of the named columns; bad rows and missing columns are null.

        Columns from Parquet keep their type. Columns from JSONL have the types of ``schema`` (see
        ``ColumnTypes``), or without a schema the types that fit this chunk.
        Raises ``pyarrow.ArrowInvalid`` or ``ArrowTypeError`` when a value does not fit the schema.
        """
        columns = [self._column(name, _field(schema, name)) for name in names]
        fields = [pa.field(name, column.type) for name, column in zip(names, columns, strict=True)]
        if schema is not None:
            fields = [_field(schema, field.name) or field for field in fields]
        return pa.Table.from_arrays(columns, schema=pa.schema(fields))

    def pick(self, entries: Sequence[tuple[int, Entry]]) -> "Chunk":
        """Return a chunk of the given (position, entry) pairs; a bad row loses its values."""
        rows = tuple(entry for _, entry in entries)
        if self.arrow is None:
            return Chunk(rows)
        positions = [None if isinstance(entry, BadRow) else position for position, entry in entries]
        if positions == list(range(len(self.rows))):
            return Chunk(rows, self.arrow)
        return Chunk(rows, _take(self.arrow, positions))

    def select_columns(self, names: frozenset[str]) -> "Chunk":
        """Return the chunk with only the columns in ``names``."""
        rows = tuple(
            row if isinstance(row, BadRow) else _select_columns(row, names) for row in self.rows
        )
        if self.arrow is None:
            return Chunk(rows)
        return Chunk(rows, self.arrow.select([n for n in self.arrow.column_names if n in names]))

    def _column(self, name: str, field: pa.Field | None) -> pa.Array | pa.ChunkedArray:
        if self.arrow is not None:
            if name not in self.arrow.column_names:
                return pa.nulls(len(self.rows), field.type if field else pa.null())
            column = self.arrow.column(name)
            return column if field is None else column.cast(field.type)
        values = [row.values.get(name) if isinstance(row, Row) else None for row in self.rows]
        if field is None:
            shape = ColumnShape()
            shape.add(values)
            field = shape.field(name)
        return to_array(values, field)


def _field(schema: pa.Schema | None, name: str) -> pa.Field | None:
    if schema is None or name not in schema.names:
        return None
    return schema.field(name)


def _select_columns(row: Row, names: frozenset[str]) -> Row:
    values = {name: value for name, value in row.values.items() if name in names}
    return Row(row.ordinal, row.place, values)


def _take(table: pa.Table, positions: list[int | None]) -> pa.Table:
    """Return the rows at ``positions``; None makes a row of nulls."""
    indices = pa.array(positions, pa.int64())
    columns = []
    for column in table.columns:
        try:
            columns.append(column.take(indices))
        except pa.ArrowNotImplementedError:  # Arrow cannot take from views and some nested types
            parts = [
                pa.chunked_array([pa.nulls(1, column.type)])
                if position is None
                else column.slice(position, 1)
                for position in positions
            ]
            pieces = [piece for part in parts for piece in part.chunks]
            columns.append(pa.chunked_array(pieces, column.type))
    return pa.Table.from_arrays(columns, schema=table.schema)
