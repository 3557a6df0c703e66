"""Whether and when a request that failed in passing is tried again."""

from dataclasses import dataclass

from batcher.core.answers.outcome import Billing, Outcome, Status, Verdict
from batcher.core.pace.backoff import full_jitter_s, obeyed_s


@dataclass(frozen=True, slots=True)
class History:
    """What a request has been through.

    ``tries`` counts the attempts of this run; ``failures`` those that used one up, ``unknown``
    the attempts of all runs that may have been billed unseen, ``repairs`` the answers of all runs
    that were not what the job wants.
    """

    tries: int = 0
    failures: int = 0
    unknown: int = 0
    repairs: int = 0

    def after(self, outcome: Outcome) -> "History":
        """Count one more attempt."""
        return History(
            self.tries + 1,
            self.failures + (outcome.is_trouble and _uses_one_up(outcome)),
            self.unknown + (outcome.billing is Billing.UNKNOWN),
            self.repairs + (outcome.status is Status.INVALID),
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


def _uses_one_up(outcome: Outcome) -> bool:
    return not outcome.is_rate_limited and not outcome.is_unsent


def decide(outcome: Outcome, history: History, policy: RetryPolicy, random: float) -> Decision:
    """Decide what follows an attempt; ``history`` includes it, ``random`` is uniform in [0, 1).

    Waiting for a rate limit uses up no attempt, the server asked for it; nor does a request that
    never left, which the run's patience bounds. An attempt that may have been billed also uses up
    a small allowance of its own. A server that asks for no wait at all gets the usual backoff: it
    would else be asked again as fast as it can answer.
    """
    if outcome.verdict is not Verdict.RETRY:
        return Stop(outcome.verdict.value)
    if outcome.status is Status.INVALID:
        return Retry(0.0)  # whether it is asked again was decided with the verdict
    if history.unknown >= policy.unknown_attempts:
        return Stop("unknown_attempts")
    if history.failures >= policy.attempts:
        return Stop("attempts")
    if outcome.retry_after_s:
        return Retry(obeyed_s(outcome.retry_after_s, random))
    return Retry(full_jitter_s(history.tries, policy.max_wait_s, random))
