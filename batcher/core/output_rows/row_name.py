"""The name by which a row of an output is passed to another command."""

_DUPLICATE = "client.duplicate_id"


def row_name(row: int, row_id: str | None, error_type: str | None) -> str:
    """Return a row's id, or ``row:5`` where its id does not name it, or not in one word on a line.

    That is a missing or doubled id, and one with white space, with characters that a terminal
    obeys or with a dash at its start.
    """
    is_plain = row_id and row_id.isprintable() and " " not in row_id and row_id[0] != "-"
    return row_id if row_id and is_plain and error_type != _DUPLICATE else f"row:{row}"
