"""What an attempt is taken to use before its answer tells."""

from batcher.core.money.usage import Usage
from batcher.core.pace.kinds import Amounts

_TOKENS_PER_BYTE = 1 / 3
_OUTPUT_TOKENS = 256.0
_LEARNING_RATE = 0.05


class Estimate:
    """Tokens by the bytes of a request, corrected by what answers of one model and job report.

    A moving average of the last twenty or so answers, at first of the first ones alone. Input is
    what counts against the limit: cache reads do not. It is right on average, not for each request;
    ``settle`` makes good for each.
    """

    def __init__(self) -> None:
        self._tokens_per_byte = _TOKENS_PER_BYTE
        self._output_tokens = _OUTPUT_TOKENS
        self._seen = 0

    def of(self, body_bytes: int, max_tokens: int) -> Amounts:
        """What a request of this size will use."""
        return Amounts(
            body_bytes * self._tokens_per_byte, min(self._output_tokens, float(max_tokens))
        )

    def learn(self, body_bytes: int, used: Amounts) -> None:
        """Move towards what an attempt has used."""
        self._seen += 1
        rate = max(_LEARNING_RATE, 1 / self._seen)
        self._tokens_per_byte += rate * (used.input_tokens / body_bytes - self._tokens_per_byte)
        self._output_tokens += rate * (used.output_tokens - self._output_tokens)


def counted(usage: Usage) -> Amounts:
    """What an answer counts against the limits: cache writes do, cache reads do not."""
    return Amounts(usage.prompt_tokens - usage.cache_read_input_tokens, usage.output_tokens)
