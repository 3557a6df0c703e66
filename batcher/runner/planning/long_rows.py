"""The rows that are cut to fit into their model's context, and those that may not fit."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from batcher.core.estimate.context_window import ContextWindow
from batcher.core.estimate.prompt import Prompt
from batcher.core.request.build import Request
from batcher.core.request.models import ModelFacts
from batcher.core.row import Place
from batcher.errors import Problem
from batcher.runner.planning.row_warnings import RowWarnings


@dataclass(slots=True)
class LongRows:
    """Counts those of each kind."""

    cut: RowWarnings = field(default_factory=RowWarnings)
    doubtful: RowWarnings = field(default_factory=RowWarnings)

    def see(self, place: Place, request: Request, prompt: Prompt, facts: ModelFacts | None) -> None:
        """Look at a request and its estimated prompt."""
        if request.note is not None:
            self.cut.add(place)
        elif facts and ContextWindow.of(facts, request.max_tokens).may_not_fit(prompt):
            self.doubtful.add(place)

    def warnings(self) -> Iterator[Problem]:
        """What there is to say of them."""
        found = (
            self.cut.problem(
                "is",
                "are",
                "too long and cut to fit; _error_message of the output says how much is left",
            ),
            self.doubtful.problem(
                "is",
                "are",
                "probably too long for the model's context, and will then be refused, unbilled",
                'set input.on_too_long = "truncate" to have such rows cut',
            ),
        )
        yield from (one for one in found if one is not None)
