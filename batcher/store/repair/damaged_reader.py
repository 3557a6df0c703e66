"""Reads a damaged database; runs in a separate process, because DuckDB may crash."""

import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb

from batcher.store.database import checkpoint_error, connect
from batcher.store.migrations import VERSION_WITH_ID
from batcher.store.queries import queries

VECTOR_ROWS = 2048
"""DuckDB reads this many rows of a row group at once, so damage is located this precisely."""

_MAX_MEMORY_BYTES = min(2 << 30, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
_REPAIR = queries("repair")


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive rows of one row group; ``first`` is a row number, from 0."""

    first: int
    rows: int


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table in the file; ``spans`` cover its rows in order."""

    name: str
    columns: tuple[str, ...]
    spans: tuple[Span, ...]

    @property
    def rows(self) -> int:
        """The number of rows, readable or not."""
        return sum(span.rows for span in self.spans)


def prepare_process() -> None:
    """Disable core dumps, which would contain responses, and DuckDB's messages about a crash."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


@dataclass(frozen=True, slots=True)
class Identity:
    """The version of a checkpoint's schema, and its id; older schemas have none."""

    version: int
    id: UUID | None


def read_identity(path: Path) -> Identity:
    """Return the version of the schema and the id of the checkpoint."""
    ((version,),) = _rows(path, _REPAIR["version"])
    rows = _rows(path, _REPAIR["id"]) if version >= VERSION_WITH_ID else []
    ids = [UUID(str(value)) for (value,) in rows if value is not None]
    return Identity(int(version), ids[0] if ids else None)


def read_tables(path: Path) -> tuple[StoredTable, ...]:
    """Return the tables with their columns and spans."""
    columns = _rows(path, _REPAIR["columns"])
    return tuple(
        StoredTable(name, tuple(column for _, column in group), _spans(path, name))
        for name, group in groupby(columns, key=lambda row: str(row[0]))
    )


def read_rows(path: Path, table: str, columns: Sequence[str], span: Span) -> Any:
    """Read some columns of a span as a pyarrow.Table.

    Raises CheckpointError when they are damaged, and MemoryError when they are too large to read,
    which does not make them lost. The SQL contains only names from the database itself.
    """
    sql = f"SELECT {', '.join(columns)} FROM {table} WHERE rowid BETWEEN $first AND $last"  # noqa: S608
    parameters = {"first": span.first, "last": span.first + span.rows - 1}
    try:
        return _connection(path).sql(sql, params=parameters).to_arrow_table()
    except duckdb.OutOfMemoryException:
        raise MemoryError(f"{path}: row {span.first} of {table}") from None
    except duckdb.Error as error:
        raise checkpoint_error(path, error) from None


def _spans(path: Path, table: str) -> tuple[Span, ...]:
    spans, start = [], 0
    for (rows,) in _rows(path, _REPAIR["row_groups"], table=table):
        spans += [
            Span(start + first, min(VECTOR_ROWS, rows - first))
            for first in range(0, rows, VECTOR_ROWS)
        ]
        start += rows
    return tuple(spans)


def _rows(path: Path, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    try:
        return _connection(path).execute(sql, parameters or None).fetchall()
    except duckdb.Error as error:
        raise checkpoint_error(path, error) from None


@cache
def _connection(path: Path) -> duckdb.DuckDBPyConnection:
    connection = connect(path, is_read_only=True)
    connection.execute(f"SET memory_limit = '{_MAX_MEMORY_BYTES}B'")
    return connection
