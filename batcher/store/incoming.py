"""Arrow tables under a name that DuckDB keeps: registering a name takes as long as an insert."""

from typing import Any

import pyarrow as pa


class Incoming:
    """A source of rows for many inserts of the same columns; set ``rows`` before each of them.

    DuckDB asks for the rows each time that a statement reads the name.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.rows: pa.Table | None = None

    def __arrow_c_schema__(self) -> Any:
        """Return the columns, as the Arrow PyCapsule interface asks for them."""
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Return the rows, as the Arrow PyCapsule interface asks for them."""
        rows = self.schema.empty_table() if self.rows is None else self.rows
        return rows.__arrow_c_stream__(requested_schema)
