"""Decides whether a prompt fits into its model's context window.

Only the server counts tokens exactly. It does not bill a prompt that it refuses as too long. So a
prompt that may fit is sent, and one that cannot fit is not.
"""

import math
from dataclasses import dataclass

from batcher.core.estimate.prompt import Prompt
from batcher.core.request.image_size import MAX_TOKENS
from batcher.core.request.models import ModelFacts

_CERTAIN = 2.0
_SAFE = 1.28  # nine in ten texts have no more tokens
"""Standard deviations of the estimate."""
# An upper bound of the estimated tokens per byte of text: 1.5 for the most expensive class of
# characters, and the safety margin on top.
_MAX_TOKENS_PER_BYTE = 2.5
_OUTPUT_SHARE = 4


@dataclass(frozen=True, slots=True)
class ContextWindow:
    """The tokens that a prompt may have: ``limit`` at most, ``target`` after cutting.

    ``target`` leaves space for ``max_tokens``, or for a quarter of the context window if that is
    less: an answer that reaches the end of the window is cut off. ``is_job_limit``: the job sets
    the limit (``input.max_prompt_tokens``). The server does not enforce it, so the estimate
    decides.
    """

    limit: int
    target: int
    is_job_limit: bool = False

    @classmethod
    def of(
        cls, facts: ModelFacts, max_tokens: int, max_prompt_tokens: int | None = None
    ) -> "ContextWindow":
        """Return the window of a request; ``max_prompt_tokens`` is the job's limit, if any."""
        context = facts.context_window
        limit = context if max_prompt_tokens is None else min(max_prompt_tokens, context)
        target = min(limit, context - min(max_tokens, context // _OUTPUT_SHARE))
        return cls(limit, target, is_job_limit=limit < context)

    @property
    def text_bytes(self) -> int:
        """The length up to which a request of nothing but text surely fits."""
        return int(self.target / _MAX_TOKENS_PER_BYTE)

    def surely_fits(self, body: bytes) -> bool:
        """Whether a request is so small that its prompt fits without an estimate."""
        if b'"application/pdf"' in body:
            return False
        images = body.count(b'"image"') * max(MAX_TOKENS.values())
        return len(body) * _MAX_TOKENS_PER_BYTE + images <= self.target

    def cannot_fit(self, prompt: Prompt) -> bool:
        """Whether a prompt exceeds the limit even if its estimate is far too high."""
        deviations = 0.0 if self.is_job_limit else _CERTAIN
        return prompt.total * math.exp(-deviations * prompt.sigma) > self.limit

    def may_not_fit(self, prompt: Prompt) -> bool:
        """Whether a prompt probably exceeds the limit."""
        return prompt.total > self.limit

    def safe_tokens(self, prompt: Prompt) -> float:
        """Return a number of tokens that nine in ten prompts with this estimate do not exceed."""
        return prompt.exact + prompt.text.total * math.exp(_SAFE * prompt.text.sigma)
