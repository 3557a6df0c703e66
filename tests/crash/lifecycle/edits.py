"""What may happen to an input from one night to the next."""

from collections.abc import Callable
from typing import Any

MOST_ROWS = 25

Row = dict[str, Any]
Edit = Callable[[list[Row], int], None]
"""Changes rows at an index, which one of them has."""


def grow(rows: list[Row], _at: int) -> None:
    """Add a new row, or the last one again when it was taken out."""
    _add(rows, f"text {_unused(rows)}")


def repeat(rows: list[Row], at: int) -> None:
    """Add a row that asks the same as another."""
    _add(rows, rows[at]["text"])


def edit(rows: list[Row], at: int) -> None:
    """Let a row say something else."""
    rows[at]["text"] += " edited"


def renumber(rows: list[Row], at: int) -> None:
    """Change a column that the prompt does not use."""
    rows[at]["n"] += 1000


def remove(rows: list[Row], at: int) -> None:
    """Take a row out."""
    if len(rows) > 3:
        del rows[at]


def cut(rows: list[Row], at: int) -> None:
    """Bring the rows into another order, as one cuts cards."""
    rows[:] = rows[at:] + rows[:at]


EDITS: tuple[Edit, ...] = (grow, grow, grow, repeat, edit, edit, renumber, remove, cut)


def _add(rows: list[Row], text: str) -> None:
    if len(rows) < MOST_ROWS:
        number = _unused(rows)
        rows.append({"id": f"r{number}", "text": text, "n": number})


def _unused(rows: list[Row]) -> int:
    return 1 + max((int(row["id"][1:]) for row in rows), default=0)
