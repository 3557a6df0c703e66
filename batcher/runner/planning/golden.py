"""Looks through the gold column for labels that no answer can have."""

from dataclasses import dataclass, field

from batcher.core.quality.gold_labels import NOT_A_CHOICE, GoldLabels
from batcher.core.row import BadRow, Row
from batcher.errors import Problem
from batcher.runner.job_context import JobContext
from batcher.runner.planning.row_warnings import RowWarnings


@dataclass(slots=True)
class GoldColumn:
    """Counts the gold labels that are none of a field's choices: these rows can never be right."""

    gold: GoldLabels
    impossible: RowWarnings = field(default_factory=RowWarnings)

    @classmethod
    def of(cls, context: JobContext) -> "GoldColumn | None":
        """That of a job; None without one."""
        gold = context.gold
        return None if gold is None else cls(gold)

    def see(self, row: Row | BadRow) -> None:
        """Look at a row of the input."""
        if isinstance(row, BadRow):
            return
        if self.gold.gold_value(row.values.get(self.gold.column)) is NOT_A_CHOICE:
            self.impossible.add(row.place)

    def warning(self) -> Problem | None:
        """What there is to say of them; it quotes nothing of the rows."""
        return self.impossible.problem(
            "has",
            "have",
            f"a label in {self.gold.column!r} that is none of the choices of "
            f"{self.gold.field!r}: no answer can be right there",
        )
