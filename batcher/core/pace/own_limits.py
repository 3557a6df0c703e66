"""The limits that a job sets itself, shared by all it sends."""

from batcher.core.job import LimitsSection
from batcher.core.pace.kinds import Kind
from batcher.core.pace.token_bucket import TokenBucket


def own_limits(limits: LimitsSection, now: float) -> dict[Kind, TokenBucket]:
    """Make a bucket for each limit that is set; it holds one second's worth."""
    per_minute = {
        Kind.REQUESTS: limits.requests_per_minute,
        Kind.INPUT: limits.input_tokens_per_minute,
        Kind.OUTPUT: limits.output_tokens_per_minute,
    }
    return {kind: TokenBucket.full(n, now) for kind, n in per_minute.items() if n is not None}
