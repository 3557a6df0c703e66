"""Inserts Arrow tables under names that DuckDB keeps, because registering one takes long."""

from typing import Any

import duckdb
import pyarrow as pa


class Inserts:
    """Inserts groups of records over one connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._sources: dict[str, _Source] = {}

    def insert(self, table: str, rows: pa.Table) -> None:
        """Insert rows into a table, in the caller's transaction if there is one."""
        source, name = self._sources.get(table), f"incoming_{table}"
        if source is None or source.schema != rows.schema:
            source = self._sources[table] = _Source(rows.schema)
            self._connection.register(name, source)
        source.rows = rows
        self._connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM {name}")  # noqa: S608
        source.rows = None


class _Source:
    """The rows of one insert after the other; DuckDB asks for them when it runs a statement."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.rows: pa.Table | None = None

    def __arrow_c_schema__(self) -> Any:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        rows = self.schema.empty_table() if self.rows is None else self.rows
        return rows.__arrow_c_stream__(requested_schema)
