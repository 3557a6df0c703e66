"""Models of how other clients pace, from public sources, each with its best settings."""

# ruff: noqa: ARG002 - all have the signatures of the protocol

import math
from collections import deque
from random import Random

from strategy import Factory, Job, Known, Reply

SDK_RETRIES = 2


def retry_after_s(reply: Reply) -> float | None:
    """Return the wait that the server asked for; None if it did not."""
    seconds = reply.headers.get("retry-after")
    return None if seconds is None else float(seconds)


class Sdk:
    """The official SDK's retries, with a fixed number of slots.

    Two retries, after ``retry-after`` or else 0.5 x 2^k seconds, at most 8, times 0.75 to 1; then
    the request is given up. A request keeps its slot while it waits, and a rate limiter of the
    caller does not see the retries, because they are inside one call.
    """

    def __init__(self, slots: int, random: Random) -> None:
        self._slots = slots
        self._random = random
        self._taken = 0

    def admit(self, job: Job, now: float) -> float:
        """Send retries at once, fresh requests when a slot is free."""
        if job.tries:
            return 0.0
        if self._taken >= self._slots:
            return math.inf
        self._taken += 1
        return 0.0

    def on_reply(self, job: Job, reply: Reply, now: float) -> float | None:
        """Retry at most twice; the slot becomes free when the call ends."""
        if reply.status == 200 or job.tries >= SDK_RETRIES:
            self._taken -= 1
            return None
        retry_s = retry_after_s(reply)
        if retry_s is not None:
            return retry_s
        return float(min(0.5 * 2**job.tries, 8)) * self._random.uniform(0.75, 1)


class FixedConcurrency(Sdk):
    """A semaphore of 64 around the SDK: the script that most people write first."""

    def __init__(self, known: Known, random: Random, start: float) -> None:
        super().__init__(64, random)


class FixedRate(Sdk):
    """The SDK behind a rate limiter that is set by hand to 95 % of the documented limit.

    Requests are evenly spaced, with up to 1,000 calls at a time. It does not notice a cut, a second
    client or limited growth, and does not catch up on time in which all slots were taken.
    """

    def __init__(self, known: Known, random: Random, start: float) -> None:
        super().__init__(1_000, random)
        self._gap_s = 1 / (0.95 * known.rate)
        self._next_at = start

    def admit(self, job: Job, now: float) -> float:
        """Send fresh requests at even intervals."""
        if not job.tries and now < self._next_at:
            return self._next_at - now
        wait_s = super().admit(job, now)
        if wait_s <= 0 and not job.tries:
            self._next_at = max(self._next_at, now - self._gap_s) + self._gap_s
        return wait_s


class Curator:
    """Token buckets with the limits of the first response; a pause of 10 s after a 429.

    One request goes first to read the limits. The buckets start empty, hold the limit of a minute
    and do not refill during a pause. Input is estimated well (with a tokenizer), output as the
    mean of the last 50 responses, a quarter of ``max_tokens`` before the first; a success corrects
    the buckets. Up to ten retries. It retries after all fresh rows; the supply is endless here, so
    it retries after two minutes. It checks the buckets every 100 ms. Some versions confuse the
    limits of input and output; that is not modelled.
    """

    PAUSE_S = 10.0
    POLL_S = 0.1
    RETRIES = 10
    LATER_S = 120.0
    BYTES_PER_TOKEN = 3.3

    def __init__(self, known: Known, random: Random, start: float) -> None:
        self._in_flight = 0
        self._per_minute: tuple[int, ...] = ()
        self._levels = [1.0, 0.0, 0.0]
        self._updated = start
        self._paused_until = start
        self._outputs: deque[int] = deque(maxlen=50)
        self._blocked: dict[int, tuple[float, ...]] = {}

    def admit(self, job: Job, now: float) -> float:
        """Wait for the end of a pause and for room in all three buckets."""
        if not self._per_minute:
            return math.inf if self._in_flight else self._take(job, (0.0, 0.0, 0.0))
        if now < self._paused_until:
            return self._paused_until - now
        self._refill(now)
        needs = (1.0, job.body_bytes / self.BYTES_PER_TOKEN, self._expected_output(job))
        if any(level < need for level, need in zip(self._levels, needs, strict=True)):
            return self.POLL_S
        return self._take(job, needs)

    def on_reply(self, job: Job, reply: Reply, now: float) -> float | None:
        """Read the limits once, correct the buckets, and pause after a 429."""
        self._in_flight -= 1
        if not self._per_minute and "anthropic-ratelimit-requests-limit" in reply.headers:
            self._per_minute = tuple(
                int(reply.headers[f"anthropic-ratelimit-{name}-limit"])
                for name in ("requests", "input-tokens", "output-tokens")
            )
            self._updated = now
        _, tokens_in, tokens_out = self._blocked.pop(job.number)
        if reply.status == 200:
            self._outputs.append(reply.output_tokens)
            self._levels[1] += tokens_in - reply.input_tokens
            self._levels[2] += tokens_out - reply.output_tokens
            return None
        if reply.status == 429:
            self._paused_until = now + self.PAUSE_S
        return self.LATER_S if job.tries < self.RETRIES else None

    def _take(self, job: Job, needs: tuple[float, ...]) -> float:
        self._levels = [level - need for level, need in zip(self._levels, needs, strict=True)]
        self._blocked[job.number] = needs
        self._in_flight += 1
        return 0.0

    def _refill(self, now: float) -> None:
        elapsed = max(0.0, now - max(self._updated, self._paused_until))
        self._levels = [
            min(limit, level + limit * elapsed / 60)
            for level, limit in zip(self._levels, self._per_minute, strict=True)
        ]
        self._updated = now

    def _expected_output(self, job: Job) -> float:
        if not self._outputs:
            return job.max_tokens / 4
        return sum(self._outputs) / len(self._outputs)


class Inspect:
    """Adaptive connections: slow start, then additive growth, one cut per episode of 429s.

    The limit starts at 20 and is between 10 and the concurrency that the user allows. A round has
    as many successes without retries as the limit (at least 4). Before the first 429 a round
    doubles the limit, later it adds 5 %, but only when 80 % of it were in use. A cut takes 20 %;
    there is at most one in 15 s (or ``retry-after``, if longer), and no success counts in that
    time. Other failures cut nothing. Limits above 10 are multiples of 5. There is no bound on
    retries; they wait 2^k seconds and up to 5 more, never less than ``retry-after``, and keep
    their connection.
    """

    LOWEST = 10
    COOLDOWN_S = 15.0

    def __init__(self, known: Known, random: Random, start: float) -> None:
        self._random = random
        self._max_limit = known.concurrency
        self._limit = 20
        self._taken = 0
        self._max_taken = 0
        self._successes = 0
        self._is_slow_start = True
        self._cooling_until = start

    def admit(self, job: Job, now: float) -> float:
        """Send a retry at once; a fresh request waits for a connection."""
        if job.tries:
            return 0.0
        if self._taken >= self._limit:
            return math.inf
        self._taken += 1
        self._max_taken = max(self._max_taken, self._taken)
        return 0.0

    def on_reply(self, job: Job, reply: Reply, now: float) -> float | None:
        """Update the limit, and free the connection after a success."""
        if reply.status == 200:
            self._taken -= 1
            if not job.tries and now >= self._cooling_until:
                self._succeed()
            return None
        retry_s = retry_after_s(reply) or 0.0
        if reply.status == 429 and now >= self._cooling_until:
            self._cut()
            self._cooling_until = now + max(self.COOLDOWN_S, retry_s)
        backoff_s = min(1_800.0, 2.0 ** min(job.tries, 20) + self._random.uniform(0, 5))
        return max(retry_s, backoff_s)

    def _succeed(self) -> None:
        self._successes += 1
        if self._successes < max(self._limit, 4):
            return
        if self._max_taken >= 0.8 * self._limit:
            grown = self._limit * 2 if self._is_slow_start else self._limit + self._step()
            self._limit = min(self._max_limit, grown)
        self._begin_round()

    def _step(self) -> int:
        grown = self._limit + max(1, round(self._limit * 0.05))
        return (math.ceil(grown / 5) * 5 if grown > 10 else grown) - self._limit

    def _cut(self) -> None:
        self._is_slow_start = False
        cut = int(self._limit * 0.8)
        self._limit = max(self.LOWEST, cut // 5 * 5 if cut > 10 else cut)
        self._begin_round()

    def _begin_round(self) -> None:
        self._successes = 0
        self._max_taken = self._taken


class Cookbook:
    """OpenAI's cookbook script: buckets with rates set by hand, a pause of 15 s after a 429.

    The rates are 75 % of the documented limits, the most that its own text advises; for requests
    that is what rows of the mean size may use. The script counts ``max_tokens`` as input; this API
    does not, so that is left out. The buckets start full, hold the limit of a minute and refill
    during a pause. Five attempts; a failed request is retried at once, before fresh rows. At most
    one request per millisecond, and no limit on requests in flight.
    """

    SHARE = 0.75
    PAUSE_S = 15.0
    ATTEMPTS = 5
    BYTES_PER_TOKEN = 3.3
    LOOP_S = 0.001

    def __init__(self, known: Known, random: Random, start: float) -> None:
        tokens = known.input_tokens_per_minute
        self._rates = (self.SHARE * known.rate, self.SHARE * tokens / 60)
        self._levels = [60 * rate for rate in self._rates]
        self._updated = start
        self._paused_until = start
        self._next_at = start

    def admit(self, job: Job, now: float) -> float:
        """Wait for the end of a pause and for room in both buckets."""
        self._refill(now)
        needs = (1.0, job.body_bytes / self.BYTES_PER_TOKEN)
        waits = [
            (need - level) / rate
            for need, level, rate in zip(needs, self._levels, self._rates, strict=True)
        ]
        wait_s = max(*waits, self._paused_until - now, self._next_at - now)
        if wait_s > 0:
            return wait_s
        self._levels = [level - need for level, need in zip(self._levels, needs, strict=True)]
        self._next_at = now + self.LOOP_S
        return 0.0

    def on_reply(self, job: Job, reply: Reply, now: float) -> float | None:
        """Retry at once, up to five attempts; pause after a 429."""
        if reply.status == 200:
            return None
        if reply.status == 429:
            self._paused_until = now + self.PAUSE_S
        return 0.0 if job.tries + 1 < self.ATTEMPTS else None

    def _refill(self, now: float) -> None:
        elapsed = now - self._updated
        self._levels = [
            min(60 * rate, level + elapsed * rate)
            for level, rate in zip(self._levels, self._rates, strict=True)
        ]
        self._updated = now


PEERS: dict[str, Factory] = {
    "SDK, 64 at a time": FixedConcurrency,
    "SDK, fixed 95 % rate": FixedRate,
    "curator": Curator,
    "inspect": Inspect,
    "cookbook": Cookbook,
}
