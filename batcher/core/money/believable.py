"""Which usage a request can have: a server's claim beyond that is recorded, but not believed."""

from typing import NamedTuple

from batcher.core.answers.message import Message
from batcher.core.money.rates import ModelPrices
from batcher.core.money.usage import Usage
from batcher.core.money.usage_problems import ImpossibleUsageError, UsageError

OUTPUT_SLACK = 8
"""Tokens of output above ``max_tokens``: an empty answer is billed 2 or 3 even when it is 0."""

# No model has a larger context window; for models whose window is not known.
_LARGEST_WINDOW = 10_000_000
# A request with tools that run on the server has several turns, each with a prompt and an output.
# Without max_uses nothing says how many; this is more than any server runs.
_MOST_TURNS = 1_000


class UsageLimits(NamedTuple):
    """The most tokens of prompt and output, and the most web searches, that an answer can have."""

    prompt_tokens: int
    output_tokens: int
    searches: int = _MOST_TURNS

    @classmethod
    def of(cls, prices: ModelPrices, max_tokens: int, turns: int | None) -> "UsageLimits":
        """Return the limits of a request; ``turns`` is None when nothing limits them."""
        facts, most = prices.facts, _MOST_TURNS if turns is None else turns
        window = _LARGEST_WINDOW if facts is None else facts.context_window
        return cls(window * most, (max_tokens + OUTPUT_SLACK) * most)

    def refuse_too_much(self, usage: Usage) -> None:
        """Raise ImpossibleUsageError for more than an answer to the request can have."""
        prompt, output = usage.prompt_tokens, usage.output_tokens
        if prompt > self.prompt_tokens:
            _refuse("input_tokens", f"counts a prompt of {prompt:,} tokens", self.prompt_tokens)
        if output > self.output_tokens:
            _refuse("output_tokens", f"counts {output:,} tokens", self.output_tokens)
        if usage.web_search_requests > self.searches:
            field, count = "web_search_requests", usage.web_search_requests
            _refuse(field, f"counts {count:,} searches", self.searches)


def refuse_nothing(usage: Usage, message: Message) -> None:
    """Raise UsageError for no tokens: a request has a prompt, and content has tokens."""
    if usage.prompt_tokens == 0:
        raise UsageError("input_tokens", "is 0, but every request has a prompt")
    has_content = message.text or message.thinking or message.tool_input
    if usage.output_tokens == 0 and has_content:
        raise UsageError("output_tokens", "is 0 beside an answer that has content")


def _refuse(field: str, claim: str, most: int) -> None:
    raise ImpossibleUsageError(field, f"{claim}, and the request can have at most {most:,}")
