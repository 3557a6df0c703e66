"""Looks through the gold column for labels that no answer can have."""

from dataclasses import dataclass

from batcher.core.labelling.labels import Labels
from batcher.core.quality.gold import gold_value
from batcher.core.row import BadRow, Place, Row
from batcher.errors import Problem
from batcher.inputs.job_file.jobfile import LoadedJob

_CHOICES = ("enum", "boolean")


@dataclass(slots=True)
class GoldColumn:
    """Counts the gold labels that are none of a field's choices: these rows can never be right."""

    column: str
    field_name: str
    labels: Labels
    strangers: int = 0
    first: Place | None = None

    @classmethod
    def of(cls, loaded: LoadedJob) -> "GoldColumn | None":
        """That of a job; None without one, and where the field that it is about has no choices."""
        labels, said = loaded.labels, loaded.job.labels
        if labels is None or said.gold is None:
            return None
        name = labels.gold_field(said.gold_field)
        return cls(said.gold, name, labels) if labels.columns[name].kind in _CHOICES else None

    def see(self, row: Row | BadRow) -> None:
        """Look at a row of the input."""
        if isinstance(row, BadRow):
            return
        name, labels = self.field_name, self.labels
        right = gold_value(
            row.values.get(self.column), labels.columns[name], lambda v: labels.spelt(name, v)
        )
        if right is not None and not labels.judge.fits(name, right):
            self.strangers += 1
            self.first = self.first or row.place

    def warning(self) -> Problem | None:
        """What there is to say of them; it quotes nothing of the rows."""
        if self.first is None:
            return None
        rows = f"{self.strangers:,} rows, this one the first, have"
        return Problem(
            f"{'this row has' if self.strangers == 1 else rows} a label in {self.column!r} that is "
            f"none of the choices of {self.field_name!r}: no answer can be right there",
            self.first.file,
            self.first.line,
        )
