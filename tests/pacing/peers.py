"""How other clients pace, modelled from what is public about them, each at its best settings."""

# ruff: noqa: ARG002 - all have the signatures of the protocol

import math
from collections import deque
from random import Random

from strategy import Factory, Job, Known, Reply

SDK_RETRIES = 2


def retry_after_s(reply: Reply) -> float | None:
    """What the server asked for, if it did."""
    asked = reply.headers.get("retry-after")
    return None if asked is None else float(asked)


class Sdk:
    """The official SDK's retries in a pool of slots.

    Two retries, after ``retry-after`` or else 0.5 x 2^k seconds, at most 8, times 0.75 to 1; then
    the request is given up. A request keeps its slot while it waits, and no limiter of the
    caller sees the retries, because both are inside one call.
    """

    def __init__(self, slots: int, random: Random) -> None:
        self._slots = slots
        self._random = random
        self._taken = 0

    def ask(self, job: Job, now: float) -> float:
        """Retries go at once, fresh requests when a slot is free."""
        if job.tries:
            return 0.0
        if self._taken >= self._slots:
            return math.inf
        self._taken += 1
        return 0.0

    def answered(self, job: Job, reply: Reply, now: float) -> float | None:
        """Retry twice at most; the slot is free when the call is over."""
        if reply.status == 200 or job.tries >= SDK_RETRIES:
            self._taken -= 1
            return None
        asked_s = retry_after_s(reply)
        if asked_s is not None:
            return asked_s
        return float(min(0.5 * 2**job.tries, 8)) * self._random.uniform(0.75, 1)


class FixedConcurrency(Sdk):
    """A semaphore of 64 around the SDK: the script that most people write first."""

    def __init__(self, known: Known, random: Random, start: float) -> None:
        super().__init__(64, random)


class FixedRate(Sdk):
    """The SDK behind a rate limiter set by hand to 95 % of the documented limit.

    Evenly spaced, up to 1,000 calls at a time. It knows nothing of a cut, of a second client or
    of limited growth; what it missed while all slots were taken it does not make up for.
    """

    def __init__(self, known: Known, random: Random, start: float) -> None:
        super().__init__(1_000, random)
        self._gap_s = 1 / (0.95 * known.rate)
        self._next_at = start

    def ask(self, job: Job, now: float) -> float:
        """Fresh requests wait for their turn."""
        if not job.tries and now < self._next_at:
            return self._next_at - now
        wait_s = super().ask(job, now)
        if wait_s <= 0 and not job.tries:
            self._next_at = max(self._next_at, now - self._gap_s) + self._gap_s
        return wait_s


class Curator:
    """Token buckets from the first response's limits; 10 s pause of everything after a 429.

    One request goes ahead to read the limits. The buckets start empty, hold a minute's worth and
    lose the time of a pause. Input is estimated well (with a tokenizer), output as the mean of
    the last 50 answers, a quarter of ``max_tokens`` before there are any; a success corrects the
    buckets. Up to ten retries. It tries again after all fresh rows: an endless supply has no end,
    so two minutes later here. Room is looked for every 100 ms. That some versions read the limits
    of input and output the wrong way round is not modelled.
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

    def ask(self, job: Job, now: float) -> float:
        """Room in all three buckets first, then the end of the pause."""
        if not self._per_minute:
            return math.inf if self._in_flight else self._take(job, (0.0, 0.0, 0.0))
        if now < self._paused_until:
            return self._paused_until - now
        self._refill(now)
        needs = (1.0, job.body_bytes / self.BYTES_PER_TOKEN, self._expected_output(job))
        if any(level < need for level, need in zip(self._levels, needs, strict=True)):
            return self.POLL_S
        return self._take(job, needs)

    def answered(self, job: Job, reply: Reply, now: float) -> float | None:
        """Read the limits once, correct the buckets, pause everything after a 429."""
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
    """Adaptive connections: slow start, then additive growth, a cut for each episode of 429s.

    Starts at 20, never below 10, at most the concurrency that its user allows. A round is as many
    clean successes as the limit (at least 4), those of requests that needed no retry; before the
    first 429 it doubles the limit, later it adds 5 %, but only when 80 % of it were in use. A cut
    takes 20 %, at most one in 15 s (or ``retry-after``, if longer), in which no success counts.
    Other failures cut nothing. Limits above 10 are multiples of 5. Retries go on for ever, after
    2^k seconds and up to 5 more, never before ``retry-after``, and keep their connection.
    """

    LOWEST = 10
    COOLDOWN_S = 15.0

    def __init__(self, known: Known, random: Random, start: float) -> None:
        self._random = random
        self._most = known.concurrency
        self._limit = 20
        self._taken = 0
        self._most_taken = 0
        self._successes = 0
        self._is_slow_start = True
        self._cooling_until = start

    def ask(self, job: Job, now: float) -> float:
        """A retry has its connection; a fresh request waits for one."""
        if job.tries:
            return 0.0
        if self._taken >= self._limit:
            return math.inf
        self._taken += 1
        self._most_taken = max(self._most_taken, self._taken)
        return 0.0

    def answered(self, job: Job, reply: Reply, now: float) -> float | None:
        """Tell the controller, and free the connection after a success."""
        if reply.status == 200:
            self._taken -= 1
            if not job.tries and now >= self._cooling_until:
                self._succeed()
            return None
        asked_s = retry_after_s(reply) or 0.0
        if reply.status == 429 and now >= self._cooling_until:
            self._cut()
            self._cooling_until = now + max(self.COOLDOWN_S, asked_s)
        backoff_s = min(1_800.0, 2.0 ** min(job.tries, 20) + self._random.uniform(0, 5))
        return max(asked_s, backoff_s)

    def _succeed(self) -> None:
        self._successes += 1
        if self._successes < max(self._limit, 4):
            return
        if self._most_taken >= 0.8 * self._limit:
            grown = self._limit * 2 if self._is_slow_start else self._limit + self._step()
            self._limit = min(self._most, grown)
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
        self._most_taken = self._taken


class Cookbook:
    """OpenAI's cookbook script: buckets on rates set by hand, 15 s pause after a rate limit error.

    Set to 75 % of the documented limits, the most that its own text advises; for requests that is
    what rows of the mean size may use. The script counts a request's ``max_tokens`` with its
    input, which this API does not, so that is left out. The buckets start full, hold a minute's
    worth and refill during a pause. Five attempts, a failed one is tried again at once, before
    fresh rows. At most one request a millisecond, no limit on those in flight.
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

    def ask(self, job: Job, now: float) -> float:
        """Room in both buckets, and no pause."""
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

    def answered(self, job: Job, reply: Reply, now: float) -> float | None:
        """Five attempts; a 429 pauses everything."""
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
