"""Warnings about rows and files: how many of a kind there are, and where the first one is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from batcher.core.estimate.context_window import ContextWindow
from batcher.core.estimate.prompt import Prompt
from batcher.core.plural import counted
from batcher.core.quality.gold_labels import NOT_A_CHOICE, GoldLabels
from batcher.core.request.build import Request
from batcher.core.request.models import ModelFacts
from batcher.core.row import BadRow, Place, Row
from batcher.errors import Problem
from batcher.runner.job_context import JobContext

_SHOWN_FILES = 5


@dataclass(slots=True)
class RowWarnings:
    """Counts the rows of one kind."""

    rows: int = 0
    first: Place | None = None

    def add(self, place: Place) -> None:
        """Count one more row."""
        self.rows += 1
        self.first = self.first or place

    def problem(
        self, singular: str, plural: str, text: str, hint: str | None = None
    ) -> Problem | None:
        """Return the warning, with the verb for one row or for several; None without any row."""
        if self.first is None:
            return None
        is_one = self.rows == 1
        rows = "this row" if is_one else f"{self.rows:,} rows, this one the first,"
        verb = singular if is_one else plural
        return Problem(f"{rows} {verb} {text}", self.first.file, self.first.line, hint)


@dataclass(slots=True)
class GoldWarnings:
    """Counts gold labels that are none of their field's choices: no answer can match them."""

    gold: GoldLabels
    impossible: RowWarnings = field(default_factory=RowWarnings)

    @classmethod
    def of(cls, context: JobContext) -> "GoldWarnings | None":
        """Return the warnings of a job; None for a job without gold labels."""
        gold = context.gold
        return None if gold is None else cls(gold)

    def add(self, row: Row | BadRow) -> None:
        """Check the gold label of a row."""
        if isinstance(row, BadRow):
            return
        if self.gold.gold_value(row.values.get(self.gold.column)) is NOT_A_CHOICE:
            self.impossible.add(row.place)

    def warning(self) -> Problem | None:
        """Return the warning, which quotes no row; None when every label can be matched."""
        return self.impossible.problem(
            "has",
            "have",
            f"a label in {self.gold.column!r} that is not a choice of {self.gold.field!r}: "
            "no answer can match it",
        )


@dataclass(slots=True)
class LengthWarnings:
    """Counts rows that were cut to fit into their model's context, and rows that may not fit."""

    cut: RowWarnings = field(default_factory=RowWarnings)
    doubtful: RowWarnings = field(default_factory=RowWarnings)

    def add(self, place: Place, request: Request, prompt: Prompt, facts: ModelFacts | None) -> None:
        """Check a request and its estimated prompt."""
        if request.note is not None:
            self.cut.add(place)
        elif facts and ContextWindow.of(facts, request.max_tokens).may_not_fit(prompt):
            self.doubtful.add(place)

    def warnings(self) -> Iterator[Problem]:
        """Yield a warning for each kind that has rows."""
        problems = (
            self.cut.problem(
                "is",
                "are",
                "too long and cut to fit; _error_message of the output says how much is left",
            ),
            self.doubtful.problem(
                "is",
                "are",
                "probably too long for the model's context; the API would refuse it, unbilled",
                'set input.on_too_long = "truncate" to cut such rows',
            ),
        )
        yield from (problem for problem in problems if problem is not None)


def left_out_warning(names: Sequence[str]) -> Problem | None:
    """Return a warning about the files of the input that are not read; None without such files."""
    if not names:
        return None
    more = "" if len(names) <= _SHOWN_FILES else ", ..."
    files = counted(len(names), "file") + " that batcher wrote"
    return Problem(
        f"the input leaves out {files}: {', '.join(names[:_SHOWN_FILES])}{more}",
        hint="narrow input.path, or name one of these files in it to read it",
    )
