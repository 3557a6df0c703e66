"""Makes a row's request fit into its model's context, or says that it cannot."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from batcher.core.estimate.context_window import Room
from batcher.core.estimate.prompt import Prompt, PromptRule
from batcher.core.request.build import Request, Unsendable

_MOST_TRIES = 8
_GOOD_ENOUGH = 0.98

Values = Mapping[str, object]
Make = Callable[[Values], Request | Unsendable]


@dataclass(frozen=True, slots=True)
class Fitting:
    """How requests with this ``room`` are fitted.

    ``make`` makes a request of a row's values; ``texts`` are the columns that may be cut, None for
    any that hold text and are not read as something else.
    """

    room: Room
    rule: PromptRule
    make: Make
    texts: frozenset[str] | None
    whole: frozenset[str] = frozenset()

    def checked(self, request: Request) -> Request | Unsendable:
        """Refuse a request that cannot fit; what may fit is sent as it is."""
        prompt = self.rule.of(request.fields)
        return self._too_long(prompt) if self.room.cannot_hold(prompt) else request

    def cut(self, request: Request, values: Values) -> Request | Unsendable:
        """Cut the longest texts of a row at their ends until its request fits.

        What does not fit without them either is only checked.
        """
        whole = self.room.safe_tokens(self.rule.of(request.fields))
        if whole <= self.room.prompt:
            return request
        names = self._read(request, values)
        lengths = [len(str(values[name])) for name in names]
        best: Request | None = None
        low, high = (0, 0.0), (sum(lengths), whole)
        for number in range(_MOST_TRIES):
            # The first try tells what the prompt has besides these texts.
            kept = len(names) if number == 0 else self._between(low, high)
            cut = cut_to(values, names, level(lengths, kept))
            made = self.make(cut)
            tokens = 0.0
            if isinstance(made, Request):
                tokens = self.room.safe_tokens(self.rule.of(made.fields))
            if tokens > self.room.prompt:
                high = kept, tokens
            else:
                low = kept, tokens
                if isinstance(made, Request):
                    best = replace(made, note=_note(values, cut, names))
            is_near = tokens <= self.room.prompt and tokens >= _GOOD_ENOUGH * self.room.prompt
            if is_near or high[0] - low[0] <= 1 or (number == 0 and tokens > self.room.prompt):
                break
        return self.checked(request) if best is None else best

    def _read(self, request: Request, values: Values) -> list[str]:
        """The columns whose text is in the prompt; of those that may be, what changes it."""
        names = [name for name, value in values.items() if isinstance(value, str) and value]
        if self.texts is not None:
            return [name for name in names if name in self.texts]
        bodies = {name: self.make({**values, name: ""}) for name in names if name not in self.whole}
        return [
            name
            for name, made in bodies.items()
            if isinstance(made, Unsendable) or made.body != request.body
        ]

    def _between(self, low: tuple[int, float], high: tuple[int, float]) -> int:
        """The characters to keep next: where the line between two tries meets the room."""
        (few, less), (many, more) = low, high
        share = (_GOOD_ENOUGH * self.room.prompt - less) / (more - less)
        return max(few + 1, min(many - 1, few + int((many - few) * max(0.0, share))))

    def _too_long(self, prompt: Prompt) -> Unsendable:
        return Unsendable(
            "client.too_long",
            f"the prompt has about {prompt.total:,.0f} tokens, and may have {self.room.window:,}",
        )


def level(lengths: Sequence[int], kept: int) -> int:
    """The length to which texts are cut so that ``kept`` characters are left: the longest first."""
    left = kept
    for place, length in enumerate(sorted(lengths)):
        others = len(lengths) - place
        if length * others >= left:
            return left // others
        left -= length
    return max(lengths, default=0)


def cut_to(values: Values, names: Sequence[str], length: int) -> dict[str, object]:
    """Values with their texts cut to a length; one that is shorter stays."""
    return {**values, **{name: str(values[name])[:length] for name in names}}


def _note(values: Values, cut: Values, names: Sequence[str]) -> str | None:
    """Say which columns were cut, and how much is left; None when none was."""
    parts = [
        f"the column {name!r} was cut to {len(str(cut[name])):,} of {len(str(values[name])):,} "
        "characters"
        for name in names
        if cut[name] != values[name]
    ]
    return "; ".join(parts) or None
