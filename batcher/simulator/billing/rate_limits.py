"""The rate limits of a group of models, as token buckets with continuous refill."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from batcher.simulator.api_error import ApiError

_TOLERANCE = 1e-6  # a level is a sum of floats


@lru_cache(maxsize=1_024)
def _rfc3339(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class Bucket:
    """A token bucket: it gains ``per_minute``, up to ``capacity``; the level may be negative."""

    per_minute: float
    capacity: float
    level: float
    updated: float

    def refill(self, now: float) -> None:
        """Add the units that were gained since the last refill."""
        gained = (now - self.updated) * self.per_minute / 60
        self.level = min(self.capacity, self.level + gained)
        self.updated = now

    def wait_for(self, amount: float) -> float:
        """Return the seconds until the bucket holds ``amount``, or until it is full."""
        missing = min(amount, self.capacity) - self.level
        return max(0.0, missing * 60 / self.per_minute)

    def full_at(self) -> str:
        """Return when the bucket is full again: RFC 3339, whole seconds."""
        seconds = self.updated + (self.capacity - self.level) * 60 / self.per_minute
        return _rfc3339(math.ceil(seconds))


@dataclass(frozen=True, slots=True)
class Spacing:
    """A limit on requests that no header tells: one each ``each_s`` seconds, ``burst`` at once.

    ``headers`` is what the headers say of the requests that remain: what the limit of the
    ``minute`` leaves, ``plenty``, or ``nothing``.
    """

    each_s: float = 0.0
    burst: int = 1
    headers: str = "minute"


class Limits:
    """The limits of one group of models: requests, input tokens and output tokens per minute.

    ``burst`` is the capacity of a bucket as a share of its limit per minute.
    """

    def __init__(
        self,
        per_minute: tuple[int, int, int],
        burst: float,
        now: float,
        spacing: Spacing | None = None,
    ) -> None:
        self._headers = "minute" if spacing is None else spacing.headers
        self._hidden = _hidden(spacing, now)
        requests, tokens_in, tokens_out = (
            Bucket(limit, max(1.0, limit * burst), max(1.0, limit * burst), now)
            for limit in per_minute
        )
        self._requests, self._input, self._output = requests, tokens_in, tokens_out

    def admit(self, input_tokens: int, now: float) -> None:
        """Charge one request and its uncached input, or raise a 429 with ``retry-after``.

        Output is charged when it is produced, so a request is admitted if that bucket holds at
        least one token.
        """
        charges = (
            (self._requests, 1, "requests"),
            (self._input, input_tokens, "input tokens"),
            (self._output, 1, "output tokens"),
        )
        for bucket, _, _ in charges:
            bucket.refill(now)
        for bucket, amount, name in charges:
            if amount > bucket.level:
                raise _refusal(bucket, amount, name, self.headers(now))
        if self._hidden is not None:
            self._hidden.refill(now)
            if self._hidden.level < 1 - _TOLERANCE:
                raise _refusal(self._hidden, 1, "requests", self.headers(now))
            self._hidden.level -= 1
        self._requests.level -= 1
        self._input.level -= input_tokens

    def admit_free(self, now: float) -> None:
        """Charge one request to an endpoint without token limits, or raise a 429."""
        self._requests.refill(now)
        if self._requests.level < 1:
            raise _refusal(self._requests, 1, "requests", self.request_headers(now))
        self._requests.level -= 1

    def request_headers(self, now: float) -> dict[str, str]:
        """Return the headers of the limit of requests only."""
        self._requests.refill(now)
        return _headers("requests", [self._requests], 1)

    def charge_output(self, tokens: int) -> None:
        """Charge the output of an answer; the bucket may become negative."""
        self._output.level -= tokens

    def headers(self, now: float) -> dict[str, str]:
        """Return the rate-limit headers: limit, remaining amount and time of full refill."""
        if self._headers == "nothing":
            return {}
        for bucket in (self._requests, self._input, self._output):
            bucket.refill(now)
        headers = {}
        for name, bucket in (
            ("requests", self._requests),
            ("input-tokens", self._input),
            ("output-tokens", self._output),
        ):
            headers.update(_headers(name, [bucket], 1 if name == "requests" else 1000))
        headers.update(_headers("tokens", [self._input, self._output], 1000))
        if self._headers == "plenty":
            plenty = headers["anthropic-ratelimit-requests-limit"]
            headers["anthropic-ratelimit-requests-remaining"] = plenty
        return headers


def _hidden(spacing: Spacing | None, now: float) -> Bucket | None:
    if spacing is None or not spacing.each_s:
        return None
    return Bucket(60 / spacing.each_s, spacing.burst, spacing.burst, now)


def _refusal(bucket: Bucket, amount: float, name: str, headers: dict[str, str]) -> ApiError:
    wait = max(1, math.ceil(bucket.wait_for(amount)))
    return ApiError(
        429,
        "This request would exceed your organization's rate limit of "
        f"{bucket.per_minute:,.0f} {name} per minute.",
        headers={"retry-after": str(wait), **headers},
    )


def _headers(name: str, buckets: list[Bucket], step: int) -> dict[str, str]:
    prefix = f"anthropic-ratelimit-{name}"
    remaining = max(0.0, sum(bucket.level for bucket in buckets))
    return {
        f"{prefix}-limit": str(sum(bucket.per_minute for bucket in buckets)),
        f"{prefix}-remaining": str(int(remaining) if step == 1 else round(remaining / step) * step),
        f"{prefix}-reset": max(bucket.full_at() for bucket in buckets),
    }
