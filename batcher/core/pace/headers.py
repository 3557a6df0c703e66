"""What an answer's headers tell of the API's limits.

``anthropic-ratelimit-{requests,input-tokens,output-tokens,tokens}-{limit,remaining}``, as the API's
documentation of rate limits describes them (October 2026). The times of ``-reset`` are left aside:
they have whole seconds, and follow from the two others since the limits refill continuously.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from batcher.core.pace.kinds import Kind

_NAMES = {
    Kind.REQUESTS: "requests",
    Kind.INPUT: "input-tokens",
    Kind.OUTPUT: "output-tokens",
    Kind.TOKENS: "tokens",
}
ROUNDING_TOKENS = 500.0
"""Remaining tokens are rounded to the nearest thousand, requests to whole ones."""


@dataclass(frozen=True, slots=True)
class Report:
    """One limit as the API saw it at some instant between the sending and the answer."""

    per_minute: float
    remaining: float

    def tolerance(self, kind: Kind) -> float:
        """How far ``remaining`` may be from the truth by its rounding alone."""
        return 1.0 if kind is Kind.REQUESTS else min(ROUNDING_TOKENS, self.per_minute / 60)


def reports(headers: Mapping[str, str]) -> dict[Kind, Report]:
    """Read what is told; what is missing, negative or unreadable is not told.

    The limit on all tokens counts only where it is tighter than input and output together: it is
    their sum where there is no such limit.
    """
    told = {}
    for kind, name in _NAMES.items():
        limit = _number(headers.get(f"anthropic-ratelimit-{name}-limit"))
        remaining = _number(headers.get(f"anthropic-ratelimit-{name}-remaining"))
        if limit and remaining is not None:
            told[kind] = Report(limit, remaining)
    parts = [told[kind].per_minute for kind in (Kind.INPUT, Kind.OUTPUT) if kind in told]
    if Kind.TOKENS in told and len(parts) == 2 and told[Kind.TOKENS].per_minute >= sum(parts):
        del told[Kind.TOKENS]
    return told


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
