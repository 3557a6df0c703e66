"""A run of rows in input order, and their columns as Arrow."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from batcher.core.row import BadRow, Row
from batcher.inputs.json_types import ColumnShape, to_array

Entry = Row | BadRow


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows in input order. ``arrow`` holds the same rows as Parquet had them; None for JSONL."""

    rows: tuple[Entry, ...]
    arrow: pa.Table | None = field(default=None, repr=False)

    def table(self, names: Sequence[str], schema: pa.Schema | None = None) -> pa.Table:
        """Return columns with one row for each of ``rows``: nulls for bad rows and missing columns.

        Parquet's columns come as they are. JSONL's are made from the values, with the types of
        ``schema`` (see ``ColumnTypes``), or with what this chunk alone suggests.
        Raises ``pyarrow.ArrowInvalid`` or ``ArrowTypeError`` when a value does not fit the schema.
        """
        columns = [self._column(name, _field(schema, name)) for name in names]
        fields = [pa.field(name, column.type) for name, column in zip(names, columns, strict=True)]
        if schema is not None:
            fields = [_field(schema, field.name) or field for field in fields]
        return pa.Table.from_arrays(columns, schema=pa.schema(fields))

    def pick(self, entries: Sequence[tuple[int, Entry]]) -> "Chunk":
        """Keep the given entries, each with its position here; a bad row loses its values."""
        rows = tuple(entry for _, entry in entries)
        if self.arrow is None:
            return Chunk(rows)
        index = [None if isinstance(entry, BadRow) else at for at, entry in entries]
        if index == list(range(len(self.rows))):
            return Chunk(rows, self.arrow)
        return Chunk(rows, _take(self.arrow, index))

    def only(self, names: frozenset[str]) -> "Chunk":
        """Forget every column that is not among ``names``."""
        rows = tuple(row if isinstance(row, BadRow) else _only(row, names) for row in self.rows)
        if self.arrow is None:
            return Chunk(rows)
        return Chunk(rows, self.arrow.select([n for n in self.arrow.column_names if n in names]))

    def _column(self, name: str, wanted: pa.Field | None) -> pa.Array | pa.ChunkedArray:
        if self.arrow is not None:
            if name not in self.arrow.column_names:
                return pa.nulls(len(self.rows), wanted.type if wanted else pa.null())
            column = self.arrow.column(name)
            return column if wanted is None else column.cast(wanted.type)
        values = [row.values.get(name) if isinstance(row, Row) else None for row in self.rows]
        if wanted is None:
            shape = ColumnShape()
            shape.see(values)
            wanted = shape.field(name)
        return to_array(values, wanted)


def _field(schema: pa.Schema | None, name: str) -> pa.Field | None:
    if schema is None or name not in schema.names:
        return None
    return schema.field(name)


def _only(row: Row, names: frozenset[str]) -> Row:
    values = {name: value for name, value in row.values.items() if name in names}
    return Row(row.ordinal, row.place, values)


def _take(table: pa.Table, index: list[int | None]) -> pa.Table:
    positions = pa.array(index, pa.int64())
    columns = []
    for column in table.columns:
        try:
            columns.append(column.take(positions))
        except pa.ArrowNotImplementedError:  # views and some nested types have no kernel yet
            parts = [
                pa.chunked_array([pa.nulls(1, column.type)]) if at is None else column.slice(at, 1)
                for at in index
            ]
            pieces = [piece for part in parts for piece in part.chunks]
            columns.append(pa.chunked_array(pieces, column.type))
    return pa.Table.from_arrays(columns, schema=table.schema)
