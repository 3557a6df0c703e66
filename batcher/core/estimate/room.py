"""Whether a prompt fits into its model's context, and how its texts are cut when it may not.

Only a server counts tokens exactly. What it refuses as too long is not billed, so that a prompt
that may fit is worth the try, and one that cannot is not.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from batcher.core.estimate.prompt import Prompt
from batcher.core.request.image_size import MOST_TOKENS
from batcher.core.request.models import ModelFacts

_SURE = 2.0
_SAFE = 1.28  # nine in ten texts are no longer
"""Standard deviations of the estimate."""
_MARGIN = 0.98
_MOST_PER_BYTE = 2.5  # tokens that are estimated for a byte of text, on the safe side
_OUTPUT_SHARE = 4


@dataclass(frozen=True, slots=True)
class Room:
    """The tokens that a model takes in all, and those that are left for the prompt.

    ``prompt`` is what leaves room for ``max_tokens``, or for a quarter of the context when that is
    less: an answer that reaches its end is cut off.
    """

    window: int
    prompt: int

    @classmethod
    def of(cls, facts: ModelFacts, max_tokens: int) -> "Room":
        """That of a request."""
        window = facts.context_window
        return cls(window, window - min(max_tokens, window // _OUTPUT_SHARE))

    def surely_holds(self, body: bytes) -> bool:
        """Whether a request is so small that nobody needs to estimate its prompt."""
        if b'"application/pdf"' in body:
            return False
        images = body.count(b'"image"') * max(MOST_TOKENS.values())
        return len(body) * _MOST_PER_BYTE + images <= self.prompt

    def cannot_hold(self, prompt: Prompt) -> bool:
        """Whether it is too long even if the estimate is far too high."""
        return prompt.total * math.exp(-_SURE * prompt.sigma) > self.window

    def may_not_hold(self, prompt: Prompt) -> bool:
        """Whether it is likely to be too long."""
        return prompt.total > self.window

    def excess(self, prompt: Prompt) -> float:
        """The share of a prompt's text that has to go for it to fit, on the safe side.

        0 when it fits as it is, 1 when what is not text leaves no room.
        """
        safe = prompt.text.total * math.exp(_SAFE * prompt.text.sigma)
        if prompt.counted + safe <= self.prompt or not safe:
            return 0.0
        return min(1.0, 1 - _MARGIN * max(0, self.prompt - prompt.counted) / safe)


def cut_texts(values: Mapping[str, object], names: list[str], characters: int) -> dict[str, object]:
    """Values without the last characters of their texts: of the longest first, then the next."""
    cut = dict(values)
    texts = {name: value for name in names if isinstance(value := cut.get(name), str)}
    for name in sorted(texts, key=lambda one: -len(texts[one])):
        kept = max(0, len(texts[name]) - characters)
        characters -= len(texts[name]) - kept
        cut[name] = texts[name][:kept]
    return cut
