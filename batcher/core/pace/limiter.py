"""What limits the pace right now: one true word."""

from enum import StrEnum

from batcher.core.pace.kinds import Kind


class Limiter(StrEnum):
    """The words of the pace line, of status.json and of the history in run.json."""

    RAMPING = "none (ramping)"
    DRAINING = "none (last answers)"
    CONCURRENCY = "concurrency"
    REQUESTS = Kind.REQUESTS.value
    INPUT = Kind.INPUT.value
    OUTPUT = Kind.OUTPUT.value
    TOKENS = Kind.TOKENS.value
    REFUSED = "429 wait"
    OVERLOADED = "overloaded"
    WARMING = "cache warm-up"
    BUDGET = "budget"
    DISK = "disk"

    @classmethod
    def of(cls, kind: Kind) -> "Limiter":
        """The word for one limit."""
        return cls(kind.value)
