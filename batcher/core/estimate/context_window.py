"""Whether a prompt fits into its model's context, and how its texts are cut when it may not.

Only a server counts tokens exactly. What it refuses as too long is not billed, so that a prompt
that may fit is worth the try, and one that cannot is not.
"""

import math
from dataclasses import dataclass

from batcher.core.estimate.prompt import Prompt
from batcher.core.request.image_size import MAX_TOKENS
from batcher.core.request.models import ModelFacts

_SURE = 2.0
_SAFE = 1.28  # nine in ten texts are no longer
"""Standard deviations of the estimate."""
# Tokens that are estimated for a byte of text at most: 1.5 by its class of characters, and what the
# safe side adds to that.
_MOST_PER_BYTE = 2.5
_OUTPUT_SHARE = 4


@dataclass(frozen=True, slots=True)
class Room:
    """The tokens that a prompt may have, by its model's context or by the job, and safely has.

    ``prompt`` also leaves room for ``max_tokens``, or for a quarter of the context when that is
    less: an answer that reaches its end is cut off. ``is_own``: the job drew the line. No server
    refuses what is over it, so that the estimate itself decides.
    """

    window: int
    prompt: int
    is_own: bool = False

    @classmethod
    def of(cls, facts: ModelFacts, max_tokens: int, most: int | None = None) -> "Room":
        """That of a request; ``most`` is what the job lets a prompt have."""
        context = facts.context_window
        window = context if most is None else min(most, context)
        prompt = min(window, context - min(max_tokens, context // _OUTPUT_SHARE))
        return cls(window, prompt, is_own=window < context)

    def surely_holds(self, body: bytes) -> bool:
        """Whether a request is so small that nobody needs to estimate its prompt."""
        if b'"application/pdf"' in body:
            return False
        images = body.count(b'"image"') * max(MAX_TOKENS.values())
        return len(body) * _MOST_PER_BYTE + images <= self.prompt

    def cannot_hold(self, prompt: Prompt) -> bool:
        """Whether it is too long: for the context, even if the estimate is far too high."""
        sure = 0.0 if self.is_own else _SURE
        return prompt.total * math.exp(-sure * prompt.sigma) > self.window

    def may_not_hold(self, prompt: Prompt) -> bool:
        """Whether it is likely to be too long."""
        return prompt.total > self.window

    def safe_tokens(self, prompt: Prompt) -> float:
        """How many tokens a prompt has at most, in nine of ten texts."""
        return prompt.counted + prompt.text.total * math.exp(_SAFE * prompt.text.sigma)
