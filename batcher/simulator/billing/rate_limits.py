"""The three rate limits of each group of models, as token buckets with continuous refill."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from batcher.simulator.api_error import ApiError


@lru_cache(maxsize=1_024)
def _written(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class Bucket:
    """Refills at ``per_minute`` and holds at most ``capacity``; it may go into debt."""

    per_minute: int
    capacity: float
    level: float
    updated: float

    def refill(self, now: float) -> None:
        """Bring the level up to date."""
        grown = self.level + (now - self.updated) * self.per_minute / 60
        self.level = min(self.capacity, grown)
        self.updated = now

    def wait_for(self, amount: float) -> float:
        """Seconds until so much is there; until it is full for more than it can hold."""
        missing = min(amount, self.capacity) - self.level
        return max(0.0, missing * 60 / self.per_minute)

    def full_at(self) -> str:
        """When it is full again, as RFC 3339 in whole seconds."""
        at = self.updated + (self.capacity - self.level) * 60 / self.per_minute
        return _written(math.ceil(at))


class Limits:
    """Requests, input tokens and output tokens a minute of one group of models.

    ``burst`` is the share of a minute's worth that a bucket holds.
    """

    def __init__(self, per_minute: tuple[int, int, int], burst: float, now: float) -> None:
        requests, tokens_in, tokens_out = (
            Bucket(limit, max(1.0, limit * burst), max(1.0, limit * burst), now)
            for limit in per_minute
        )
        self._requests, self._input, self._output = requests, tokens_in, tokens_out

    def admit(self, input_tokens: int, now: float) -> None:
        """Take one request and its uncached input, or raise a 429 that says how long to wait.

        Output is charged when it is produced, so a request passes while that bucket is not empty.
        """
        needs = (
            (self._requests, 1, "requests"),
            (self._input, input_tokens, "input tokens"),
            (self._output, 1, "output tokens"),
        )
        for bucket, _, _ in needs:
            bucket.refill(now)
        for bucket, amount, name in needs:
            if amount > bucket.level:
                wait = max(1, math.ceil(bucket.wait_for(amount)))
                raise ApiError(
                    429,
                    "This request would exceed your organization's rate limit of "
                    f"{bucket.per_minute:,} {name} per minute.",
                    headers={"retry-after": str(wait), **self.headers(now)},
                )
        self._requests.level -= 1
        self._input.level -= input_tokens

    def charge_output(self, tokens: int) -> None:
        """Output that was produced; the bucket may go into debt."""
        self._output.level -= tokens

    def headers(self, now: float) -> dict[str, str]:
        """Tell a client its limits and what remains of them."""
        for bucket in (self._requests, self._input, self._output):
            bucket.refill(now)
        made = {}
        for name, bucket in (
            ("requests", self._requests),
            ("input-tokens", self._input),
            ("output-tokens", self._output),
        ):
            made.update(_headers(name, [bucket], 1 if name == "requests" else 1000))
        made.update(_headers("tokens", [self._input, self._output], 1000))
        return made


def _headers(name: str, buckets: list[Bucket], step: int) -> dict[str, str]:
    prefix = f"anthropic-ratelimit-{name}"
    remaining = max(0.0, sum(bucket.level for bucket in buckets))
    return {
        f"{prefix}-limit": str(sum(bucket.per_minute for bucket in buckets)),
        f"{prefix}-remaining": str(int(remaining) if step == 1 else round(remaining / step) * step),
        f"{prefix}-reset": max(bucket.full_at() for bucket in buckets),
    }
