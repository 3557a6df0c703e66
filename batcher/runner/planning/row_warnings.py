"""Rows that there is something to say of: how many they are, and where the first one is."""

from dataclasses import dataclass

from batcher.core.row import Place
from batcher.errors import Problem


@dataclass(slots=True)
class RowWarnings:
    """Counts rows of one kind."""

    rows: int = 0
    first: Place | None = None

    def add(self, place: Place) -> None:
        """Count one more."""
        self.rows += 1
        self.first = self.first or place

    def problem(self, one: str, many: str, what: str, hint: str | None = None) -> Problem | None:
        """Say what they are, with the verb for one row and for several; None without any."""
        if self.first is None:
            return None
        rows = "this row" if self.rows == 1 else f"{self.rows:,} rows, this one the first,"
        verb = one if self.rows == 1 else many
        return Problem(f"{rows} {verb} {what}", self.first.file, self.first.line, hint)
