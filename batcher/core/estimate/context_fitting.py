"""Fits a row's request into its model's context window by cutting texts, or refuses it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from batcher.core.estimate.context_window import ContextWindow
from batcher.core.estimate.prompt import Prompt, PromptRule
from batcher.core.request.build import Request, Unsendable

_MAX_TRIES = 8
_GOOD_ENOUGH = 0.98

Values = Mapping[str, object]
Build = Callable[[Values], Request | Unsendable]


@dataclass(frozen=True, slots=True)
class PromptFitter:
    """Fits requests with the same context window.

    ``build`` makes a request from a row's values. ``text_columns`` are the columns that may be
    cut; None for all columns with text, except ``non_text_columns``.
    """

    window: ContextWindow
    rule: PromptRule
    build: Build
    text_columns: frozenset[str] | None
    non_text_columns: frozenset[str] = frozenset()

    def check(self, request: Request) -> Request | Unsendable:
        """Refuse a request that cannot fit; return one that may fit unchanged."""
        prompt = self.rule.of(request.fields)
        return self._too_long(prompt) if self.window.cannot_fit(prompt) else request

    def cut(self, request: Request, values: Values) -> Request | Unsendable:
        """Cut the ends of a row's longest texts until its request fits.

        A request that is too long even without these texts is only checked.
        """
        target = self.window.target
        tokens_before = self.window.safe_tokens(self.rule.of(request.fields))
        if tokens_before <= target:
            return request
        names = self._columns_in_prompt(request, values)
        lengths = [len(str(values[name])) for name in names]
        best: Request | None = None
        low, high = (0, 0.0), (sum(lengths), tokens_before)
        for number in range(_MAX_TRIES):
            # The first try measures the prompt without these texts (one character of each).
            kept = len(names) if number == 0 else self._between(low, high)
            cut_values = cut_to(values, names, common_length(lengths, kept))
            cut_request = self.build(cut_values)
            tokens = 0.0
            if isinstance(cut_request, Request):
                tokens = self.window.safe_tokens(self.rule.of(cut_request.fields))
            if tokens > target:
                high = kept, tokens
            else:
                low = kept, tokens
                if isinstance(cut_request, Request):
                    best = replace(cut_request, note=_note(values, cut_values, names))
            is_near = _GOOD_ENOUGH * target <= tokens <= target
            if is_near or high[0] - low[0] <= 1 or (number == 0 and tokens > target):
                break
        return self.check(request) if best is None else best

    def _columns_in_prompt(self, request: Request, values: Values) -> list[str]:
        """Return the columns with text that the prompt contains.

        When the columns are not known, a column counts if the request changes without it.
        """
        names = [name for name, value in values.items() if isinstance(value, str) and value]
        if self.text_columns is not None:
            return [name for name in names if name in self.text_columns]
        without = {
            name: self.build({**values, name: ""})
            for name in names
            if name not in self.non_text_columns
        }
        return [
            name
            for name, changed in without.items()
            if isinstance(changed, Unsendable) or changed.body != request.body
        ]

    def _between(self, low: tuple[int, float], high: tuple[int, float]) -> int:
        """Interpolate the number of characters to keep next between two tries."""
        (low_kept, low_tokens), (high_kept, high_tokens) = low, high
        share = (_GOOD_ENOUGH * self.window.target - low_tokens) / (high_tokens - low_tokens)
        kept = low_kept + int((high_kept - low_kept) * max(0.0, share))
        return max(low_kept + 1, min(high_kept - 1, kept))

    def _too_long(self, prompt: Prompt) -> Unsendable:
        return Unsendable(
            "client.too_long",
            f"the prompt has about {prompt.total:,.0f} tokens; the limit is {self.window.limit:,}",
        )


def common_length(lengths: Sequence[int], kept: int) -> int:
    """Return the length to which the longest texts are cut so that ``kept`` characters remain."""
    left = kept
    for place, length in enumerate(sorted(lengths)):
        texts = len(lengths) - place
        if length * texts >= left:
            return left // texts
        left -= length
    return max(lengths, default=0)


def cut_to(values: Values, names: Sequence[str], length: int) -> dict[str, object]:
    """Return the values with these texts cut to at most ``length`` characters."""
    return {**values, **{name: str(values[name])[:length] for name in names}}


def _note(values: Values, cut_values: Values, names: Sequence[str]) -> str | None:
    """Say which columns were cut, and to what length; None when none was."""
    parts = [
        f"the column {name!r} was cut to {len(str(cut_values[name])):,} of "
        f"{len(str(values[name])):,} characters"
        for name in names
        if cut_values[name] != values[name]
    ]
    return "; ".join(parts) or None
