"""Reads the API's rate limits from the headers of a response.

``anthropic-ratelimit-{requests,input-tokens,output-tokens,tokens}-{limit,remaining}``, as the API's
documentation of rate limits describes them (October 2026). The ``-reset`` headers are not used:
they have whole seconds, and follow from the other two because the limits refill continuously.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from batcher.core.pace.kinds import Kind

_PREFIX = "anthropic-ratelimit-"
_NAMES = [
    (kind, f"{_PREFIX}{name}-limit", f"{_PREFIX}{name}-remaining")
    for kind, name in (
        (Kind.REQUESTS, "requests"),
        (Kind.INPUT, "input-tokens"),
        (Kind.OUTPUT, "output-tokens"),
        (Kind.TOKENS, "tokens"),
    )
]
ROUNDING_TOKENS = 500.0
"""The largest rounding error: the API rounds remaining tokens to the nearest thousand."""


@dataclass(frozen=True, slots=True)
class LimitReport:
    """One limit as the API saw it at some instant between the request and the response."""

    per_minute: float
    remaining: float

    def tolerance(self, kind: Kind) -> float:
        """Return how far ``remaining`` may be off because it is rounded."""
        return 1.0 if kind is Kind.REQUESTS else min(ROUNDING_TOKENS, self.per_minute / 60)


def limit_reports(headers: Mapping[str, str]) -> dict[Kind, LimitReport]:
    """Read the limits; leave out those that are missing, negative or unreadable.

    The limit on all tokens is left out unless it is lower than input and output together: where
    there is no such limit, the API sends their sum.
    """
    reports: dict[Kind, LimitReport] = {}
    for kind, limit_name, remaining_name in _NAMES:
        limit = _number(headers.get(limit_name))
        remaining = _number(headers.get(remaining_name)) if limit else None
        if limit and remaining is not None:
            reports[kind] = LimitReport(limit, remaining)
    if Kind.TOKENS not in reports:
        return reports
    parts = [reports[kind].per_minute for kind in (Kind.INPUT, Kind.OUTPUT) if kind in reports]
    if len(parts) == 2 and reports[Kind.TOKENS].per_minute >= sum(parts):
        del reports[Kind.TOKENS]
    return reports


def _number(text: str | None) -> float | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
