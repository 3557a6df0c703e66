"""A model of the Messages API's rate limits; the caller passes the time."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from heapq import heappop, heappush
from random import Random

from profiles import Limits, Profile, Row, share_at
from strategy import Reply

# The wall clock at second 0 of the given clock; they differ, so that no client can confuse them.
WALL_S = 1_790_000_000
FIRST_TOKEN_S = 0.8
FIRST_TOKEN_SIGMA = 0.4
TOKENS_PER_SECOND = 80.0
SPEED_SIGMA = 0.2
# Levels are sums of floats: a request exactly in time must not be refused for a rounding error.
TOLERANCE = 1e-6

_LIMITS, _OTHER, _OUTPUT = range(3)


@dataclass(slots=True)
class Bucket:
    """Refills continuously up to ``capacity``; the level may become negative.

    ``drain`` is taken continuously: the output of all responses that are being written.
    ``cut_off`` is what was lost when the limit was lowered.
    """

    per_second: float
    capacity: float
    level: float
    updated: float
    drain: float = 0.0
    cut_off: float = 0.0

    def refill(self, now: float) -> None:
        """Bring the level up to date."""
        level = self.level + (now - self.updated) * (self.per_second - self.drain)
        self.level = min(self.capacity, level)
        self.updated = now

    def change(self, per_minute: int, burst: float, now: float) -> None:
        """Change the limit; the level stays if it fits into the new capacity."""
        self.refill(now)
        self.per_second = per_minute / 60
        self.capacity = max(1.0, per_minute * burst)
        self.cut_off += max(0.0, self.level - self.capacity)
        self.level = min(self.level, self.capacity)

    def wait_for(self, amount: float) -> float:
        """Return the seconds until ``amount`` is there, if nothing else is taken."""
        return (amount - self.level) / self.per_second

    def full_at(self) -> int:
        """Return the second of the wall clock in which it is full, if nothing is taken."""
        missing = (self.capacity - self.level) / self.per_second
        return math.ceil(WALL_S + self.updated + missing - TOLERANCE)


class RampLimit:
    """Limits growth: in ten seconds at most twice the busiest ten that ended 30 to 90 s before.

    ``factor`` is another number than two.

    A tenth of the limit is always admitted. The API publishes no numbers; this is the simplest
    rule that never refuses a steady client, admits a doubling every half minute, and refuses a
    jump. It looks back over a minute, so that a client need not start again after a short pause.
    """

    def __init__(self, per_minute: int, factor: float = 2.0) -> None:
        self._factor = factor
        self._floor = max(1.0, per_minute / 6 / 10)
        self._counts: list[int] = [0]  # admitted, by second
        self._tens: list[int] = []  # admitted in the ten seconds up to each second that is over
        self._max = self._floor

    def wait_s(self, at_s: float) -> int:
        """Return the whole seconds until a request is admitted; 0 when it is now."""
        second = int(at_s)
        while len(self._counts) <= second:
            self._tens.append(sum(self._counts[-10:]))
            self._counts.append(0)
            self._max = self._allowed(len(self._counts) - 1)
        if sum(self._counts[-10:]) < self._max:
            return 0
        for wait_s in range(1, 10):
            if sum(self._counts[wait_s - 10 :]) < self._allowed(second + wait_s):
                return wait_s
        return 10

    def admit(self) -> None:
        """Count an admitted request in the second of the last call of ``wait_s``."""
        self._counts[-1] += 1

    def _allowed(self, second: int) -> float:
        before = self._tens[max(0, second - 90) : max(0, second - 29)]
        return max(self._floor, self._factor * max(before, default=0))


def latency_s(profile: Profile) -> float:
    """Return the mean latency of an answer."""
    first_s = FIRST_TOKEN_S * math.exp(FIRST_TOKEN_SIGMA**2 / 2)
    speed = TOKENS_PER_SECOND / math.exp(SPEED_SIGMA**2 / 2)
    return profile.slowness * (first_s + profile.sizes.output_mean / speed)


class World:
    """The limits of one class of models; ``now`` must never decrease.

    Input is charged when a request starts, output continuously while it is written, from the first
    token on; a request is admitted while the output bucket is above zero. Refused requests are
    charged nothing. A second client, if there is one, has priority: it is never refused, levels may
    become negative for it, and its output is charged at once.
    """

    def __init__(self, profile: Profile, random: Random, start: float) -> None:
        self._profile = profile
        self._random = random
        self._start = start
        limits = profile.limits
        self.requests, self.input, self.output = (
            Bucket(per_minute / 60, size, size, start)
            for per_minute in (limits.requests, limits.input_tokens, limits.output_tokens)
            for size in (max(1.0, per_minute * profile.burst),)
        )
        hidden = profile.hidden
        self.hidden = (
            Bucket(hidden.per_minute / 60, hidden.burst, hidden.burst, start) if hidden else None
        )
        self._ramp = (
            RampLimit(limits.requests, profile.ramp_factor) if profile.has_ramp_limit else None
        )
        # Changes over time: (when, which, by how much)
        self._changes: list[tuple[float, int, float]] = []
        self._limits = limits
        if profile.cut:
            heappush(self._changes, (start + profile.cut[0], _LIMITS, 0.0))
        if profile.other:
            heappush(self._changes, (start, _OTHER, 0.0))

    def send(self, row: Row, now: float) -> Reply:
        """Accept a request; pass the reply to ``deliver`` after its ``latency_s``."""
        self.advance(now)
        at_s = now - self._start
        if share_at(self._profile.outages, at_s):
            return self._failure(self._random.choice((None, 503)), now)
        if self._random.random() < share_at(self._profile.storms, at_s):
            return self._failure(529, now)
        if self._profile.refused_share and self._random.random() < self._profile.refused_share:
            return self._refusal(1, None, now)
        wait = self._wait_s(row)
        if wait:
            return self._refusal(wait, None, now)
        if self._ramp:
            wait = self._ramp.wait_s(at_s)
            if wait:
                return self._refusal(wait, "ramp_limit_exceeded", now)
            self._ramp.admit()
        return self._success(row, now)

    def deliver(self, reply: Reply, now: float) -> Reply:
        """Return a reply that arrives; in some profiles with the headers of this moment."""
        if reply.status != 200 or self._profile.headers_of == "admission":
            return reply
        self.advance(now)
        return replace(reply, headers=self._headers(now))

    def advance(self, now: float) -> None:
        """Advance to a time."""
        while self._changes and self._changes[0][0] <= now:
            when, kind, amount = heappop(self._changes)
            if kind == _OUTPUT:
                self.output.refill(when)
                self.output.drain += amount
            elif kind == _OTHER:
                self._serve_other(when)
            else:
                self._change_limits(self._profile.limits_at(when - self._start), when)
        for bucket in (self.requests, self.input, self.output, self.hidden):
            if bucket is not None:
                bucket.refill(now)

    def held(self, now: float) -> tuple[float, float, float]:
        """Return the levels of requests, input and output, with what a lower limit cut off."""
        self.advance(now)
        requests, tokens_in, tokens_out = (
            bucket.level + bucket.cut_off for bucket in (self.requests, self.input, self.output)
        )
        return requests, tokens_in, tokens_out

    def _change_limits(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self.requests.change(limits.requests, self._profile.burst, now)
        self.input.change(limits.input_tokens, self._profile.burst, now)
        self.output.change(limits.output_tokens, self._profile.burst, now)

    def _serve_other(self, now: float) -> None:
        """Charge one request of the second client, and draw the time of its next one."""
        row = self._profile.sizes.draw(0, self._random)
        for bucket, amount in (
            (self.requests, 1),
            (self.input, row.input_tokens),
            (self.output, row.output_tokens),
        ):
            bucket.refill(now)
            bucket.level -= amount
        at_s = now - self._start
        share = share_at(self._profile.other, at_s)
        rate = share * self._profile.limit_rate(at_s, self._profile.sizes.uses)
        gap_s = self._random.expovariate(rate) if rate else math.inf
        heappush(self._changes, (now + gap_s, _OTHER, 0.0))

    def _wait_s(self, row: Row) -> int:
        """Return the whole seconds until this request is admitted; 0 when it is now."""
        wait_s = max(
            self.requests.wait_for(1),
            self.input.wait_for(row.input_tokens),
            self.output.wait_for(0),
            self.hidden.wait_for(1) if self.hidden else 0.0,
        )
        return max(0, math.ceil(wait_s - TOLERANCE))

    def _success(self, row: Row, now: float) -> Reply:
        self.requests.level -= 1
        self.input.level -= row.input_tokens
        if self.hidden:
            self.hidden.level -= 1
        slowness = self._profile.slowness
        first_s = slowness * FIRST_TOKEN_S * math.exp(self._random.gauss(0, FIRST_TOKEN_SIGMA))
        speed = TOKENS_PER_SECOND / slowness * math.exp(self._random.gauss(0, SPEED_SIGMA))
        latency_s = first_s + row.output_tokens / speed
        heappush(self._changes, (now + first_s, _OUTPUT, speed))
        heappush(self._changes, (now + latency_s, _OUTPUT, -speed))
        at_admission = self._profile.headers_of == "admission"
        headers = self._headers(now + latency_s) if at_admission else {}
        return Reply(200, headers, None, row.input_tokens, row.output_tokens, now, latency_s)

    def _failure(self, status: int | None, now: float) -> Reply:
        latency_s = self._refusal_latency_s()
        headers = {} if status is None else {"date": _http_date(int(WALL_S + now + latency_s))}
        return Reply(status, headers, None, 0, 0, now, latency_s)

    def _refusal(self, wait_s: int, error_code: str | None, now: float) -> Reply:
        latency_s = self._refusal_latency_s()
        after_s = {"the wait": wait_s, "a second": 1, "nothing": None}[self._profile.retry_after]
        headers = self._headers(now + latency_s)
        if headers and self._profile.headers_show == "plenty until refused":
            headers["anthropic-ratelimit-requests-remaining"] = "0"
        if after_s is not None:
            headers["retry-after"] = str(after_s)
        return Reply(429, headers, error_code, 0, 0, now, latency_s)

    @property
    def _requests_shown(self) -> float:
        """The requests that remain, as the headers tell it."""
        tells_level = self._profile.headers_show == "levels"
        return self.requests.level if tells_level else self._limits.requests

    def _refusal_latency_s(self) -> float:
        """Return the latency of a request that is refused at once."""
        return self._profile.slowness * (0.03 + 0.05 * self._random.random())

    def _headers(self, sent_at: float) -> dict[str, str]:
        """Return the headers with the state of the buckets now and the ``date`` of sending."""
        if self._profile.headers_show == "nothing":
            return {"date": _http_date(int(WALL_S + sent_at))}
        tokens_in, tokens_out = max(0.0, self.input.level), max(0.0, self.output.level)
        input_full, output_full = self.input.full_at(), self.output.full_at()
        limits = self._limits
        return {
            "date": _http_date(int(WALL_S + sent_at)),
            "anthropic-ratelimit-requests-limit": str(limits.requests),
            "anthropic-ratelimit-requests-remaining": str(
                max(0, int(self._requests_shown + TOLERANCE))
            ),
            "anthropic-ratelimit-requests-reset": _iso_date(self.requests.full_at()),
            "anthropic-ratelimit-input-tokens-limit": str(limits.input_tokens),
            "anthropic-ratelimit-input-tokens-remaining": _thousands(tokens_in),
            "anthropic-ratelimit-input-tokens-reset": _iso_date(input_full),
            "anthropic-ratelimit-output-tokens-limit": str(limits.output_tokens),
            "anthropic-ratelimit-output-tokens-remaining": _thousands(tokens_out),
            "anthropic-ratelimit-output-tokens-reset": _iso_date(output_full),
            "anthropic-ratelimit-tokens-limit": str(limits.input_tokens + limits.output_tokens),
            "anthropic-ratelimit-tokens-remaining": _thousands(tokens_in + tokens_out),
            "anthropic-ratelimit-tokens-reset": _iso_date(max(input_full, output_full)),
        }


def _thousands(tokens: float) -> str:
    return str(round(tokens / 1000) * 1000)


@lru_cache(maxsize=4_096)
def _iso_date(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=4_096)
def _http_date(second: int) -> str:
    return format_datetime(datetime.fromtimestamp(second, UTC), usegmt=True)
