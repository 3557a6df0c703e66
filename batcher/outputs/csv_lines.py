"""Writes rows as CSV (RFC 4180): null is empty, an empty text is quoted, lists are JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from batcher.core.answers.strict_json import dump
from batcher.outputs.jsonl_output import json_rows

_QUOTED = frozenset(',"\r\n')


def csv_header(names: Sequence[str]) -> bytes:
    """Return the line with the names of the columns."""
    return ",".join(map(_field, names)).encode()


def csv_lines(table: pa.Table) -> Iterator[bytes]:
    """Yield each row as a line; a text with line breaks spans several."""
    for row in json_rows(table):
        yield ",".join(map(_field, row.values())).encode()


def _field(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else dump(value).decode()
    is_plain = bool(text) and text.strip() == text and not _QUOTED & set(text)
    return text if is_plain else '"' + text.replace('"', '""') + '"'
