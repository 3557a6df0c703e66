"""Reads the first rows of an input, to suggest a job file for it."""

import re
from collections.abc import Sequence
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa

from batcher.core.input_profile import InputProfile, profile_rows
from batcher.core.job import InputSection
from batcher.core.row import Row
from batcher.errors import InputError
from batcher.inputs.source import Source

ROWS_PROFILED = 2_000
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset(
    {
        "row", "self", "range", "loop", "true", "false", "none", "not", "and", "or", "in", "is",
        "if", "else",
    }
)  # fmt: skip


def profile_input(path: Path, labels: Sequence[str] = ()) -> InputProfile:
    """Return the profile of an input's first rows; raise InputError when no row can be read."""
    source = Source.open(InputSection(path=path.name), path.parent)
    entries = chain.from_iterable(chunk.rows for chunk in source.chunks(None))
    rows = [row.values for row in islice(entries, ROWS_PROFILED) if isinstance(row, Row)]
    if not rows:
        raise InputError(f"{path} has no row that can be read", hint="write rows into it first")
    columns = source.columns or tuple(dict.fromkeys(name for row in rows for name in row))
    structs = [column.name for column in source.schema or () if _holds_images(column.type)]
    return profile_rows(columns, rows, labels, structs)


def _holds_images(kind: pa.DataType) -> bool:
    """Whether values are structs of bytes and path, or lists of them."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return pa.types.is_struct(kind) and {inner.name for inner in kind} == {"bytes", "path"}


def placeholder(column: str) -> str:
    """Return the template placeholder of a column."""
    if _IDENTIFIER.fullmatch(column) and column not in _RESERVED:
        return f"{{{{ {column} }}}}"
    quoted = column.replace("\\", "\\\\").replace('"', '\\"')
    return f'{{{{ row["{quoted}"] }}}}'
