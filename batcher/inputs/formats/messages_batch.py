"""Checks that rows are entries of a Message Batches request."""

import re

from batcher.core.row import BadRow, Row
from batcher.inputs.chunk import Chunk, Entry
from batcher.inputs.formats.json_line import shown_key

COLUMNS = frozenset({"custom_id", "params"})
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def checked(chunk: Chunk) -> Chunk:
    """Turn each row that is not ``{custom_id, params}`` into a bad row."""
    return chunk.pick([(position, _checked(row)) for position, row in enumerate(chunk.rows)])


def _checked(row: Entry) -> Entry:
    if isinstance(row, BadRow):
        return row
    problem = _problem(row)
    return row if problem is None else BadRow(row.ordinal, row.place, problem)


def _problem(row: Row) -> str | None:
    """Return what is wrong with a row; the API's documentation has the rule for ``custom_id``."""
    for name in sorted(COLUMNS):
        if name not in row.values:
            return f"{name} is missing"
    for name in row.values:
        if name not in COLUMNS:
            return f"the key {shown_key(name)} is neither custom_id nor params"
    custom_id, params = row.values["custom_id"], row.values["params"]
    if not isinstance(custom_id, str) or not _CUSTOM_ID.fullmatch(custom_id):
        return "custom_id must be 1 to 64 letters, digits, _ or -"
    return None if isinstance(params, dict) else "params must be an object"
