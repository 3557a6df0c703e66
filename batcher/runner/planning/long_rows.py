"""Counts the rows that are cut to fit into their model's context, or that may not fit."""

from collections.abc import Iterator
from dataclasses import dataclass

from batcher.core.estimate.prompt import Prompt
from batcher.core.estimate.room import Room
from batcher.core.request.build import Request
from batcher.core.request.models import ModelFacts
from batcher.core.row import Place
from batcher.errors import Problem


@dataclass(slots=True)
class LongRows:
    """How many there are of each kind, and the place of the first."""

    cut: int = 0
    first_cut: Place | None = None
    doubtful: int = 0
    first_doubtful: Place | None = None

    def see(self, place: Place, request: Request, prompt: Prompt, facts: ModelFacts | None) -> None:
        """Look at a request and its estimated prompt."""
        if request.note is not None:
            self.cut += 1
            self.first_cut = self.first_cut or place
        elif facts and Room.of(facts, request.max_tokens).may_not_hold(prompt):
            self.doubtful += 1
            self.first_doubtful = self.first_doubtful or place

    def warnings(self) -> Iterator[Problem]:
        """What there is to say of them."""
        if self.first_cut is not None:
            yield Problem(
                f"{_rows(self.cut)} too long for the model's context and cut to fit; "
                "_error_message of the output says how much is left",
                self.first_cut.file,
                self.first_cut.line,
            )
        if self.first_doubtful is not None:
            yield Problem(
                f"{_rows(self.doubtful)} probably too long for the model's context, and will then "
                "be refused, unbilled",
                self.first_doubtful.file,
                self.first_doubtful.line,
                'set input.on_too_long = "truncate" to have such rows cut',
            )


def _rows(number: int) -> str:
    return "this row is" if number == 1 else f"{number:,} rows, this one the first, are"
