"""Whether and when a request that failed in passing is tried again."""

from dataclasses import dataclass

from batcher.core.outcome import Billing, Outcome, Verdict
from batcher.core.pace.backoff import full_jitter_s, obeyed_s


@dataclass(frozen=True, slots=True)
class History:
    """What a request has been through.

    ``failures`` counts the attempts of this run that failed, rate limits left out. ``unknown``
    counts the attempts of all runs that may have been billed unseen.
    """

    failures: int = 0
    unknown: int = 0

    def after(self, outcome: Outcome) -> "History":
        """Count one more attempt."""
        return History(
            self.failures + (not outcome.is_rate_limited),
            self.unknown + (outcome.billing is Billing.UNKNOWN),
        )


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The bounds of section [retry]."""

    attempts: int
    max_wait_s: float
    unknown_attempts: int


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after so many seconds."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Do not try again now, and why."""

    reason: str


Decision = Retry | Stop


def decide(outcome: Outcome, history: History, policy: RetryPolicy, random: float) -> Decision:
    """Decide what follows an attempt; ``history`` includes it, ``random`` is uniform in [0, 1).

    Waiting for a rate limit uses up no attempt: the server asked for it. An attempt that may have
    been billed uses up the small allowance of its own.
    """
    if outcome.verdict is not Verdict.RETRY:
        return Stop(outcome.verdict.value)
    if history.unknown >= policy.unknown_attempts:
        return Stop("unknown_attempts")
    if history.failures >= policy.attempts:
        return Stop("attempts")
    if outcome.retry_after_s is not None:
        return Retry(obeyed_s(outcome.retry_after_s, random))
    return Retry(full_jitter_s(max(1, history.failures), policy.max_wait_s, random))
