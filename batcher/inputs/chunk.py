"""A chunk: consecutive rows of the input, and their columns as an Arrow table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from batcher.core.row import BadRow, Row
from batcher.inputs.json_types import ColumnShape, to_array

Entry = Row | BadRow


@dataclass(frozen=True, slots=True)
class Needed:
    """The columns that a pass over the input needs; None means all.

    ``used`` are those whose values rows have. ``kept`` are those that are copied to the output: of
    Parquet as Arrow columns, of other formats as values.
    """

    used: frozenset[str] | None
    kept: frozenset[str] | None = frozenset()

    @property
    def columns(self) -> frozenset[str] | None:
        """All columns that are needed."""
        return None if self.used is None or self.kept is None else self.used | self.kept


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows in input order. ``arrow`` holds the same rows as read from Parquet; None for JSONL.

    ``lost`` has, by column and position, why a kept value cannot be written; ``arrow`` is null
    there.
    """

    rows: tuple[Entry, ...]
    arrow: pa.Table | None = field(default=None, repr=False)
    lost: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def table(self, names: Sequence[str], schema: pa.Schema | None = None) -> pa.Table:
        """Return a table of the named columns; what a row does not have is null.

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
        """Return a chunk of the given (position, entry) pairs."""
        rows = tuple(entry for _, entry in entries)
        if self.arrow is None:
            return Chunk(rows)
        positions = [position for position, _ in entries]
        if positions == list(range(len(self.rows))):
            return Chunk(rows, self.arrow, self.lost)
        lost = {
            name: {new: reasons[old] for new, old in enumerate(positions) if old in reasons}
            for name, reasons in self.lost.items()
        }
        return Chunk(rows, take(self.arrow, positions), lost)

    def select(self, needed: Needed) -> "Chunk":
        """Return the chunk with only the needed columns."""
        rows, arrow = self.rows, self.arrow
        names = needed.columns if arrow is None else needed.used
        if names is not None:
            rows = tuple(_select(row, names) for row in rows)
        if arrow is not None and needed.kept is not None:
            arrow = arrow.select([name for name in arrow.column_names if name in needed.kept])
        return Chunk(rows, arrow, self.lost)

    def _column(self, name: str, field: pa.Field | None) -> pa.Array | pa.ChunkedArray:
        if self.arrow is not None:
            if name not in self.arrow.column_names:
                return pa.nulls(len(self.rows), field.type if field else pa.null())
            column = self.arrow.column(name)
            return column if field is None else column.cast(field.type)
        values = [row.values.get(name) for row in self.rows]
        if field is None:
            shape = ColumnShape()
            shape.add(values)
            field = shape.field(name)
        return to_array(values, field)


def _field(schema: pa.Schema | None, name: str) -> pa.Field | None:
    if schema is None or name not in schema.names:
        return None
    return schema.field(name)


def _select(row: Entry, names: frozenset[str]) -> Entry:
    values = {name: value for name, value in row.values.items() if name in names}
    return replace(row, values=values)


def take(table: pa.Table, positions: Sequence[int | None]) -> pa.Table:
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
