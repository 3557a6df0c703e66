"""Reads a damaged database; runs in a process of its own, because DuckDB may crash over it."""

import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from batcher.store.database import checkpoint_error, connect
from batcher.store.queries import queries

VECTOR_ROWS = 2048
"""DuckDB reads so many rows of a row group at once: finer than this no damage can be told apart."""

_MAX_MEMORY_BYTES = min(2 << 30, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
_REPAIR = queries("repair")


@dataclass(frozen=True, slots=True)
class Span:
    """Neighbouring rows of one row group, by row number from 0."""

    first: int
    rows: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A table as it lies in the file; ``spans`` cover its rows in order."""

    name: str
    columns: tuple[str, ...]
    spans: tuple[Span, ...]

    @property
    def rows(self) -> int:
        """How many rows the table has, readable or not."""
        return sum(span.rows for span in self.spans)


def prepare() -> None:
    """Begin the process: no core dump, which would hold answers, and no last words of DuckDB."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def read_version(path: Path) -> int:
    """The version of the schema."""
    ((version,),) = _rows(path, _REPAIR["version"])
    return int(version)


def read_tables(path: Path) -> tuple[Stored, ...]:
    """What tables there are, and how they are laid out."""
    columns = _rows(path, _REPAIR["columns"])
    return tuple(
        Stored(name, tuple(column for _, column in group), _spans(path, name))
        for name, group in groupby(columns, key=lambda row: str(row[0]))
    )


def read_rows(path: Path, table: str, columns: Sequence[str], span: Span) -> Any:
    """Read some columns of a span as a pyarrow.Table.

    Raises CheckpointError when they are damaged, and MemoryError when they are too large to read:
    those are not lost. No names but the database's own go into the SQL.
    """
    sql = f"SELECT {', '.join(columns)} FROM {table} WHERE rowid BETWEEN $first AND $last"  # noqa: S608
    wanted = {"first": span.first, "last": span.first + span.rows - 1}
    try:
        return _connection(path).sql(sql, params=wanted).to_arrow_table()
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
