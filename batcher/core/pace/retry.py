"""Decides whether a failed request is retried, and when; limits the number of retries."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from batcher.core.answers.outcome import Billing, Outcome, Status, Verdict

RETRY_AFTER_SPREAD = 0.1
QUOTA = 100.0
EARNED = 0.5
_ON_HOLD = "unknown_attempts"


class History(NamedTuple):
    """The attempts of one request so far.

    ``tries`` counts the attempts of this run, ``failures`` the ones that used up an attempt of
    the retry policy. ``passed_over_s`` is how long the request has been refused or not sent while
    others were answered; 0 if none was. ``unknown`` counts the attempts of all runs whose billing
    status is unknown, ``repairs`` the responses of all runs that did not fit the job's labels.
    """

    tries: int = 0
    failures: int = 0
    unknown: int = 0
    repairs: int = 0
    passed_over_s: float = 0.0

    def after(self, outcome: Outcome, passed_over_s: float = 0.0) -> "History":
        """Return the history with one more attempt."""
        return History(
            self.tries + 1,
            self.failures + (outcome.is_transient and uses_up_attempt(outcome)),
            self.unknown + (outcome.billing is Billing.UNKNOWN),
            self.repairs + (outcome.status is Status.INVALID),
            passed_over_s,
        )


@dataclass(slots=True)
class PassedOver:
    """Since when one request has been refused, or not sent, while others were answered.

    ``answers`` counts the answers of the run, ``now`` is seconds of any monotonic clock.
    """

    _since: float | None = None
    _answers: int = 0

    def seconds(self, outcome: Outcome, answers: int, now: float) -> float:
        """Count one outcome of the request; return how long; 0 if no other was answered."""
        if uses_up_attempt(outcome):
            return 0.0
        if self._since is None:
            self._since, self._answers = now, answers
        return now - self._since if answers > self._answers else 0.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The bounds that section [retry] sets."""

    attempts: int
    max_wait_s: float
    unknown_attempts: int
    patience_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Retry:
    """Retry after this many seconds."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Do not retry now; ``reason`` says why."""

    reason: str

    @property
    def is_on_hold(self) -> bool:
        """Whether the row waits for ``batcher retry``: it may have been billed too often."""
        return self.reason == _ON_HOLD


Decision = Retry | Stop


def decide(outcome: Outcome, history: History, policy: RetryPolicy, random: float) -> Decision:
    """Decide what follows an attempt; ``history`` includes it, ``random`` is uniform in [0, 1).

    A 429 uses up no attempt, because the server asked for the wait. A request that was never sent
    uses up none either; the run's patience bounds those. If others are answered meanwhile, that
    does not bound them; then the request gets as many tries as attempts, and as long as the
    patience lasts. An attempt whose billing status is unknown
    also counts against a small allowance of its own. A server that asks for a wait of zero gets
    the usual backoff: otherwise it would get the next attempt as fast as it can respond.
    """
    if outcome.verdict is not Verdict.RETRY:
        return Stop(outcome.verdict.value)
    if outcome.forbids_retry:
        return Stop("the server forbids a retry")
    if outcome.status is Status.INVALID:
        return Retry(0.0)  # the verdict already decided that the model is asked again
    if history.unknown >= policy.unknown_attempts:
        return Stop(_ON_HOLD)
    if (outcome.retry_after_s or 0.0) > policy.patience_s:
        return Stop("the server asks for a longer wait than retry.patience_s")
    if history.failures >= policy.attempts:
        return Stop("attempts")
    wait_s = backoff_s(history.tries, policy.max_wait_s, random)
    if outcome.retry_after_s:
        wait_s = retry_after_wait_s(outcome.retry_after_s, random)
    is_bounded = history.passed_over_s > 0 and history.tries >= policy.attempts
    if is_bounded and history.passed_over_s + wait_s > policy.patience_s:
        return Stop("patience")
    return Retry(wait_s)


def pause_s(outcome: Outcome, decision: Decision, policy: RetryPolicy) -> float | None:
    """Return the wait that a response asks of all requests, if it asks for one.

    A wait beyond the patience is not obeyed: the next response shows whether the server means it,
    and then the run ends. One odd number must not hold everything for a day.
    """
    if isinstance(decision, Retry):
        return decision.after_s
    wait_s = outcome.retry_after_s
    return wait_s if wait_s is not None and wait_s <= policy.patience_s else None


def uses_up_attempt(outcome: Outcome) -> bool:
    """Return whether a failed attempt counts against the attempts of the policy."""
    return not outcome.is_rate_limited and not outcome.is_unsent


def backoff_s(failures: int, max_wait_s: float, random: float) -> float:
    """Return a random share of an exponential limit: ``random x min(max_wait_s, 2^(n-1))``.

    ``failures`` (n) counts from 1, ``random`` is uniform in [0, 1). Full jitter spreads clients
    that failed together better than a fixed delay (M. Brooker, "Exponential Backoff and Jitter").
    """
    exponent = min(failures - 1, 30)
    return random * min(max_wait_s, float(2**exponent))


def retry_after_wait_s(retry_after_s: float, random: float) -> float:
    """Return the wait that the server asked for, or up to a tenth more to spread clients out."""
    return retry_after_s * (1 + RETRY_AFTER_SPREAD * random)


@dataclass(slots=True)
class RetryQuota:
    """A quota of retries: a retry costs one token, a success earns half a token, up to a hundred.

    So retries are at most a third of the traffic in the long run, and a failing API does not get
    twice the load (as in gRPC's retry throttling and the retry budgets of the SRE book). It starts
    full. Without a token, one retry at a time may still be in flight: rows are delayed but never
    dropped. Waits after a 429 are not retries in this sense.
    """

    level: float = field(default=QUOTA, init=False)
    _over_quota: int = field(default=0, init=False)

    def allows(self) -> bool:
        """Return whether a retry may be sent."""
        return self.level >= 1 or not self._over_quota

    def take(self) -> bool:
        """Count a retry that is sent; True when no token was left for it."""
        if self.level >= 1:
            self.level -= 1
            return False
        self._over_quota += 1
        return True

    def on_returned(self, *, is_over_quota: bool) -> None:
        """Count an attempt that returned; ``is_over_quota`` is what ``take`` returned for it."""
        self._over_quota -= is_over_quota

    def earn(self) -> None:
        """Count a success."""
        self.level = min(QUOTA, self.level + EARNED)

    def fill(self) -> None:
        """Fill the quota after an outage: the window paces the retries that had to wait."""
        self.level = QUOTA
