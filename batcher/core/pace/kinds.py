"""What the API limits a minute, and how much of it one attempt needs."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is limited; the value is the word of the pace line.

    ``TOKENS`` is a limit on input and output together, as a workspace may have.
    """

    REQUESTS = "requests/min"
    INPUT = "input tokens/min"
    OUTPUT = "output tokens/min"
    TOKENS = "tokens/min"


@dataclass(frozen=True, slots=True)
class Amounts:
    """What one attempt is taken to need, or has used: uncached input and all output tokens."""

    input_tokens: float
    output_tokens: float

    def of(self, kind: Kind) -> float:
        """How much of one limit it takes."""
        match kind:
            case Kind.REQUESTS:
                return 1.0
            case Kind.INPUT:
                return self.input_tokens
            case Kind.OUTPUT:
                return self.output_tokens
            case Kind.TOKENS:
                return self.input_tokens + self.output_tokens
