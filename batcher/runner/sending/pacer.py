"""When the next request may leave: our own limits, and the pauses the server asks for."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from batcher.core.job import Limits
from batcher.core.money.usage import Usage
from batcher.core.pace.bucket import TokenBucket

# What a request is taken to use until answers have told better: bytes a token, and output tokens.
_BYTES_PER_TOKEN = 3.0
_OUTPUT_TOKENS = 256.0
_LEARNING_RATE = 0.05


@dataclass(frozen=True, slots=True)
class Reserved:
    """What was taken from the buckets for one attempt, in tokens."""

    input_tokens: float
    output_tokens: float


class Pacer:
    """Shared by all workers; lets each attempt through when every limit has room for it.

    ``clock`` gives monotonic seconds. The estimates of a request's tokens are corrected by what
    answers report; a limit that is not set never makes anybody wait.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        now = clock()
        self._clock = clock
        self._requests = _bucket(limits.requests_per_minute, now)
        self._input = _bucket(limits.input_tokens_per_minute, now)
        self._output = _bucket(limits.output_tokens_per_minute, now)
        self._bytes_per_token = _BYTES_PER_TOKEN
        self._output_tokens = _OUTPUT_TOKENS
        self._paused_until = now
        self.limiter = "none"

    async def admit(
        self, body_bytes: int, max_tokens: int, stopping: asyncio.Event
    ) -> Reserved | None:
        """Wait until an attempt may leave and reserve its tokens; None when ``stopping`` is set.

        An attempt whose turn comes during a pause queues again after it: all that the pause held
        up would else leave in the same instant, above every limit.
        """
        while not stopping.is_set():
            pause_s = self._paused_until - self._clock()
            if pause_s > 0:
                self.limiter = "429 wait"
                await rest(pause_s, stopping)
                continue
            reserved, wait_s = self._reserve(body_bytes, max_tokens)
            if wait_s > 0:
                await rest(wait_s, stopping)
            if self._clock() >= self._paused_until and not stopping.is_set():
                return reserved
        return None

    def _reserve(self, body_bytes: int, max_tokens: int) -> tuple[Reserved, float]:
        """Take an attempt's share of every limit, and say how long until it may use it."""
        now = self._clock()
        reserved = Reserved(
            body_bytes / self._bytes_per_token, min(self._output_tokens, float(max_tokens))
        )
        waits = {
            "requests/min": self._requests.take(1, now) if self._requests else 0.0,
            "input tokens/min": self._input.take(reserved.input_tokens, now)
            if self._input
            else 0.0,
            "output tokens/min": self._output.take(reserved.output_tokens, now)
            if self._output
            else 0.0,
        }
        limiter, wait_s = max(waits.items(), key=lambda limit: limit[1])
        self.limiter = limiter if wait_s > 0 else "concurrency"
        return reserved, wait_s

    def pause(self, seconds: float) -> None:
        """Let nobody through for so long; a longer pause already running stays."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def settle(self, reserved: Reserved, body_bytes: int, used: Usage) -> None:
        """Correct an attempt's estimate by what it really used; cache reads do not count."""
        now = self._clock()
        input_tokens = used.prompt_tokens - used.cache_read_input_tokens
        output_tokens = used.output_tokens
        if self._input:
            self._input.give_back(reserved.input_tokens - input_tokens, now)
        if self._output:
            self._output.give_back(reserved.output_tokens - output_tokens, now)
        ratio = body_bytes / max(1, used.prompt_tokens)
        self._bytes_per_token += _LEARNING_RATE * (ratio - self._bytes_per_token)
        self._output_tokens += _LEARNING_RATE * (output_tokens - self._output_tokens)


async def rest(seconds: float, stopping: asyncio.Event) -> None:
    """Wait so long, or until ``stopping`` is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()


def _bucket(per_minute: int | None, now: float) -> TokenBucket | None:
    return None if per_minute is None else TokenBucket.full(per_minute, now)
