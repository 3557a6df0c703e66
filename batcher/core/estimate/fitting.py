"""Makes a row's request fit into its model's context, or says that it cannot."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from batcher.core.estimate.prompt import Prompt, PromptRule
from batcher.core.estimate.room import Room, cut_texts
from batcher.core.request.build import Request, Unsendable

_MOST_CUTS = 8

Make = Callable[[Mapping[str, object]], Request | Unsendable]


@dataclass(frozen=True, slots=True)
class Fitting:
    """How requests with this ``room`` are fitted.

    ``make`` makes a request of a row's values; ``texts`` are the columns that may be cut, None for
    any that hold text.
    """

    room: Room
    rule: PromptRule
    make: Make
    texts: frozenset[str] | None

    def checked(self, request: Request) -> Request | Unsendable:
        """Refuse a request that cannot fit; what may fit is sent as it is."""
        prompt = self.rule.of(request.fields)
        return self._too_long(prompt) if self.room.cannot_hold(prompt) else request

    def cut(self, request: Request, values: Mapping[str, object]) -> Request | Unsendable:
        """Cut the longest texts of a row at their ends until its request fits."""
        names = [name for name in values if self.texts is None or name in self.texts]
        names = [name for name in names if isinstance(values[name], str)]
        first = prompt = self.rule.of(request.fields)
        cut, found = dict(values), request
        for _ in range(_MOST_CUTS):
            excess = self.room.excess(prompt)
            if not excess:
                return replace(found, note=_note(values, cut))
            left = sum(len(str(cut[name])) for name in names)
            cut = cut_texts(cut, names, max(1, math.ceil(excess * left)))
            made = self.make(cut)
            if not left or isinstance(made, Unsendable):
                break
            found, prompt = made, self.rule.of(made.fields)
        return self._too_long(first)

    def _too_long(self, prompt: Prompt) -> Unsendable:
        return Unsendable(
            "client.too_long",
            f"the prompt has about {prompt.total:,.0f} tokens; the model's context holds "
            f"{self.room.window:,}",
        )


def _note(values: Mapping[str, object], cut: Mapping[str, object]) -> str | None:
    """Say which columns were cut, and how much is left; None when none was."""
    parts = [
        f"the column {name!r} was cut to {len(str(cut[name])):,} of {len(value):,} characters"
        for name, value in values.items()
        if isinstance(value, str) and cut[name] != value
    ]
    return "; ".join(parts) or None
