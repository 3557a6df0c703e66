"""The kinds of limits on the pace: the API's rate limits, and all other causes of waiting."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """A kind of rate limit; the value is how it is shown.

    ``TOKENS`` is a limit on input and output together; a workspace may have one.
    """

    REQUESTS = "requests/min"
    INPUT = "input tokens/min"
    OUTPUT = "output tokens/min"
    TOKENS = "tokens/min"


class Amounts(NamedTuple):
    """What one attempt uses of the rate limits: uncached input tokens and all output tokens."""

    input_tokens: float
    output_tokens: float

    def of(self, kind: Kind) -> float:
        """Return the units that count against one limit."""
        if kind is Kind.REQUESTS:
            return 1.0
        if kind is Kind.INPUT:
            return self.input_tokens
        if kind is Kind.OUTPUT:
            return self.output_tokens
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class KnownLimit:
    """A limit per minute, and the amount available when a run begins.

    ``is_learned`` when no header tells it: refusals showed it, and the next run starts from it.
    """

    per_minute: float
    burst: float
    is_learned: bool = False


class Limiter(StrEnum):
    """What limits the pace right now; the values are shown, and recorded in the run's files."""

    RAMPING = "ramping up"
    DRAINING = "waiting for the last responses"
    CONCURRENCY = "concurrency"
    REQUESTS = Kind.REQUESTS.value
    INPUT = Kind.INPUT.value
    OUTPUT = Kind.OUTPUT.value
    TOKENS = Kind.TOKENS.value
    REFUSED = "429 responses"
    FAILURES = "API errors"
    CACHE = "cache warm-up"
    BUDGET = "budget"
    MACHINE = "processor or disk"
    MEMORY = "memory"
    BATCHES = "waiting for batches"

    @classmethod
    def of(cls, kind: Kind) -> "Limiter":
        """Return the limiter of one rate limit."""
        return cls(kind.value)


def limiter_text(limiter: str) -> str:
    """Say what limits the pace: ``limited by concurrency``, but ``ramping up``."""
    is_phrase = limiter in (Limiter.RAMPING, Limiter.DRAINING, Limiter.BATCHES)
    return limiter if is_phrase else f"limited by {limiter}"
