"""The interface between a pacing strategy and the race: what it sees and what it decides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Job:
    """One request as the client sees it before sending; ``tries`` counts earlier attempts."""

    number: int
    body_bytes: int
    max_tokens: int
    tries: int


@dataclass(frozen=True, slots=True)
class Reply:
    """The result of an attempt; a ``status`` of None: the connection failed or timed out.

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
    """What a user can know before a run: the documented limits, and what a row uses.

    It is correct at the start. It does not say that a limit will be cut, that another client
    shares it, or that growth is limited. ``concurrency`` is the most in flight that a client needs.
    """

    requests_per_minute: int
    input_tokens_per_minute: int
    output_tokens_per_minute: int
    mean_input_tokens: float
    mean_output_tokens: float
    concurrency: int

    @property
    def rate(self) -> float:
        """Requests per second that the documented limits allow for rows of the mean size.

        A user who sets a rate by hand needs this number. We assume in their favour that they know
        the mean use of their rows exactly.
        """
        per_minute = min(
            self.requests_per_minute,
            self.input_tokens_per_minute / self.mean_input_tokens,
            self.output_tokens_per_minute / self.mean_output_tokens,
        )
        return per_minute / 60


class Strategy(Protocol):
    """Decides when requests are sent and which are retried; times are seconds of one clock."""

    def admit(self, job: Job, now: float) -> float:
        """Return the seconds until the race asks again for this job, the head of the queue.

        At most 0: the job is sent now, and the strategy has counted it. The race also asks again
        after each reply, so a strategy that waits for a slot returns ``math.inf``.
        """
        ...

    def on_reply(self, job: Job, reply: Reply, now: float) -> float | None:
        """Return the seconds until a retry; None when the job is done or given up.

        A retry then enters the queue before all fresh jobs.
        """
        ...


# (what is known, the strategy's random generator, the time at the start)
Factory = Callable[[Known, Random, float], Strategy]
