"""Estimates what an attempt will use before its response reports it."""

from batcher.core.money.usage import Usage
from batcher.core.pace.kinds import Amounts

_TOKENS_PER_BYTE = 1 / 3
_OUTPUT_TOKENS = 256.0
_LEARNING_RATE = 0.05


class UsageAverage:
    """Moving averages of input tokens per byte of a request, and of output tokens.

    Each follows about the last twenty responses of one job and model; until then it is the mean of
    all of them. Input is what counts against the limit, so without cache reads. An estimate is
    right on average, not for each request: ``Pace`` corrects the difference after the response.
    """

    def __init__(self) -> None:
        self._tokens_per_byte = _TOKENS_PER_BYTE
        self._output_tokens = _OUTPUT_TOKENS
        self._responses = 0

    def estimate(self, body_bytes: int, max_tokens: int) -> Amounts:
        """Estimate what a request of this size will use."""
        return Amounts(
            body_bytes * self._tokens_per_byte, min(self._output_tokens, float(max_tokens))
        )

    def update(self, body_bytes: int, used: Amounts) -> None:
        """Move the averages towards what an attempt used."""
        self._responses += 1
        rate = max(_LEARNING_RATE, 1 / self._responses)
        self._tokens_per_byte += rate * (used.input_tokens / body_bytes - self._tokens_per_byte)
        self._output_tokens += rate * (used.output_tokens - self._output_tokens)


def counted_amounts(usage: Usage) -> Amounts:
    """Return what counts against the rate limits: cache writes do, cache reads do not."""
    return Amounts(usage.prompt_tokens - usage.cache_read_input_tokens, usage.output_tokens)
