"""What a pacing strategy sees and decides: the only seam between a client and the race."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Job:
    """One request as the client sees it before sending; ``tries`` counts attempts before this."""

    number: int
    body_bytes: int
    max_tokens: int
    tries: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; a ``status`` of None: the connection failed or timed out.

    Header names are in lower case. Tokens are 0 unless the status is 200.
    """

    status: int | None
    headers: Mapping[str, str]
    error_code: str | None
    input_tokens: int
    output_tokens: int
    sent_at: float
    latency_s: float


@dataclass(frozen=True, slots=True)
class Known:
    """What a user can write down before a run: the documented limits, and what a row uses.

    It is the truth at the start: not that a limit will be cut, that somebody shares it, or that
    growth is limited, too. ``concurrency`` is the most in flight that a client should need.
    """

    requests_per_minute: int
    input_tokens_per_minute: int
    output_tokens_per_minute: int
    mean_input_tokens: float
    mean_output_tokens: float
    concurrency: int

    @property
    def rate(self) -> float:
        """Requests a second that the documented limits allow to rows of the mean size.

        Whoever sets a rate by hand needs this number; that they know their rows' mean use, to the
        token, is assumed in their favour.
        """
        per_minute = min(
            self.requests_per_minute,
            self.input_tokens_per_minute / self.mean_input_tokens,
            self.output_tokens_per_minute / self.mean_output_tokens,
        )
        return per_minute / 60


class Strategy(Protocol):
    """When each request leaves, and which are tried again. Times are seconds of one clock."""

    def ask(self, job: Job, now: float) -> float:
        """Seconds until this job, the head of the queue, may be asked about again.

        At most 0: it is sent now, and the strategy has taken note. After any answer the head is
        asked about again at once, so one that waits for a slot returns ``math.inf``.
        """
        ...

    def answered(self, job: Job, reply: Reply, now: float) -> float | None:
        """None: done, or given up if it failed; else retry after so many seconds.

        A retry then enters the queue again, before all fresh jobs.
        """
        ...


# (what is known, the strategy's own randomness, the clock's first reading)
Factory = Callable[[Known, Random, float], Strategy]
