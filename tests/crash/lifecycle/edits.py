"""Edits of an input between two runs."""

from collections.abc import Callable
from typing import Any

MAX_ROWS = 25

Row = dict[str, Any]
Edit = Callable[[list[Row], int], None]
"""Changes the rows at an existing index."""


def grow(rows: list[Row], _index: int) -> None:
    """Add a new row, or the last row again when it was removed."""
    _add(rows, f"text {_unused(rows)}")


def repeat(rows: list[Row], index: int) -> None:
    """Add a row with the same text as another row."""
    _add(rows, rows[index]["text"])


def edit(rows: list[Row], index: int) -> None:
    """Change the text of a row."""
    rows[index]["text"] += " edited"


def renumber(rows: list[Row], index: int) -> None:
    """Change a column that the prompt does not use."""
    rows[index]["n"] += 1000


def remove(rows: list[Row], index: int) -> None:
    """Remove a row."""
    if len(rows) > 3:
        del rows[index]


def rotate(rows: list[Row], index: int) -> None:
    """Rotate the rows."""
    rows[:] = rows[index:] + rows[:index]


EDITS: tuple[Edit, ...] = (grow, grow, grow, repeat, edit, edit, renumber, remove, rotate)


def _add(rows: list[Row], text: str) -> None:
    if len(rows) < MAX_ROWS:
        number = _unused(rows)
        rows.append({"id": f"r{number}", "text": text, "n": number})


def _unused(rows: list[Row]) -> int:
    return 1 + max((int(row["id"][1:]) for row in rows), default=0)
