"""Decides when the next attempt may be sent, from rate limits, window, pauses and outages."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from batcher.core.answers.outcome import Billing, Outcome, Verdict
from batcher.core.money.usage import Usage
from batcher.core.pace.api_limits import ApiLimits, FinishedAttempt, Taken
from batcher.core.pace.circuit_breaker import CircuitBreaker
from batcher.core.pace.kinds import Amounts, Kind, KnownLimit, Limiter
from batcher.core.pace.record_wait import record_wait_s
from batcher.core.pace.retry import RetryQuota
from batcher.core.pace.token_bucket import TokenBucket
from batcher.core.pace.usage_average import UsageAverage, counted_amounts
from batcher.core.pace.window import Window

ALONE_S = 10.0
"""The longest time, in seconds, that other attempts wait for the first response."""

_BARE_PAUSE_S = 2.0
_LONGEST_GAP_S = 0.025
_SLACK_S = 0.005
_ROOM = 1.25


SPREAD_S = 1.0
"""The seconds over which the waiting attempts are spread after a pause."""


class AttemptCost(NamedTuple):
    """An attempt that waits to be sent; ``is_retry`` after a failure, but not after a 429."""

    body_bytes: int
    max_tokens: int
    is_retry: bool = False


class Permit(NamedTuple):
    """The attempt may be sent now; ``taken`` is what it is expected to use of the limits."""

    cost: AttemptCost
    taken: Taken
    is_over_quota: bool = False
    is_probe: bool = False


class Delay(NamedTuple):
    """The attempt has to wait this long, and why; infinite: until another attempt returns."""

    seconds: float
    limiter: Limiter


class Completion(NamedTuple):
    """What the pace learns from an attempt; ``retry_s`` is the wait before its retry, if any."""

    outcome: Outcome
    headers: Mapping[str, str]
    usage: Usage | None
    latency_s: float
    retry_s: float | None = None

    @property
    def pause_s(self) -> float:
        """How long all attempts wait: a 429 concerns them all, an overload with retry-after may.

        Without retry-after it is short, because it grows with the tries of one request alone.
        """
        outcome = self.outcome
        is_for_all = outcome.is_rate_limited or (outcome.is_overloaded and outcome.retry_after_s)
        if not is_for_all or self.retry_s is None:
            return 0.0
        return self.retry_s if outcome.retry_after_s else min(_BARE_PAUSE_S, self.retry_s)


class Pace:
    """Decides for the attempts that share the API's limits: those of one group of models.

    Call ``admit`` for the attempt that has waited longest, and ``on_completion`` once per permit.
    ``cap`` bounds the attempts in flight, ``max_rest_s`` the rests during an outage; ``job_limits``
    are the job's own limits, which several instances may share.
    It never waits, draws no random numbers and reads no clock: times are seconds of any monotonic
    clock.
    """

    def __init__(self, cap: int, max_rest_s: float, job_limits: Mapping[Kind, TokenBucket]) -> None:
        self._job_limits = job_limits
        self._cap = cap
        self._window = Window(cap)
        self._breaker = CircuitBreaker(max_rest_s)
        self._quota = RetryQuota()
        self._average = UsageAverage()
        self._limits = ApiLimits()
        self._paused_until = float("-inf")
        self._next_at = float("-inf")
        self._pause_limiter = Limiter.REFUSED
        self._outstanding = 0.0
        self._has_failed = False  # the attempt that returned last
        self._alone_until: float | None = None
        self.in_flight = 0

    def __repr__(self) -> str:
        levels = {
            str(kind): round(limit.bucket.level) for kind, limit in self._limits.observed.items()
        }
        return f"<Pace {self.in_flight} of {self._window.size:.1f} in flight, {levels}>"

    def start_from(self, known: KnownLimit, now: float) -> None:
        """Start from a limit that an earlier run has learned from refusals."""
        self._limits.learned.begin(known, now)

    @property
    def window_size(self) -> float:
        """How many attempts may be in flight: at least what a learned rate keeps there."""
        rate = self._limits.learned.rate
        if rate == math.inf:
            return self._window.size
        needed = 1 + _ROOM * rate * self._window.latency_s
        return max(self._window.size, min(float(self._cap), needed))

    @property
    def record_wait_s(self) -> float:
        """How long the intent of an attempt may wait for others to share its commit."""
        gap_s, latency_s = self._limits.learned.gap_s, self._window.latency_s
        return record_wait_s(self.in_flight, self.window_size, latency_s, gap_s)

    def pause_s(self, now: float) -> float:
        """Return how long a pause that the server asked for still lasts."""
        return max(0.0, self._paused_until - now)

    @property
    def allows_retry(self) -> bool:
        """Whether the quota of retries allows one now."""
        return self._quota.allows()

    @property
    def known_limits(self) -> dict[Kind, KnownLimit]:
        """The API's limits by its headers and refusals."""
        return self._limits.known

    def admit(self, cost: AttemptCost, now: float) -> Permit | Delay:
        """Permit an attempt and count it as sent, or return how long it has to wait."""
        if self._alone_until is not None and now >= self._alone_until:
            self._window.start()
            self._alone_until = float("inf")
        if now >= self._paused_until:
            longer_s = self._limits.learned.conclude(now)
            if longer_s:
                self._paused_until = self._next_at = now + longer_s
        amounts = self._average.estimate(cost.body_bytes, cost.max_tokens)
        delay = self._delay(cost, amounts, now)
        if delay is not None:
            return delay
        if self._alone_until is None:
            self._alone_until = now + ALONE_S
        for kind, bucket in self._job_limits.items():
            bucket.take(amounts.of(kind))
        self.in_flight += 1
        self._outstanding += amounts.output_tokens
        self._next_at = max(self._next_at, now - _SLACK_S) + self._gap_s(now)
        is_over_quota = cost.is_retry and self._quota.take()
        taken = self._limits.take(amounts, now)
        return Permit(cost, taken, is_over_quota, self._breaker.on_sent())

    def on_completion(
        self, permit: Permit, completion: Completion, now: float, random: float
    ) -> None:
        """Learn from an attempt that returned; ``random`` is uniform in [0, 1)."""
        self._alone_until = float("inf")
        in_flight, self.in_flight = self.in_flight, self.in_flight - 1
        self._outstanding -= permit.taken.amounts.output_tokens
        self._quota.on_returned(is_over_quota=permit.is_over_quota)
        self._breaker.on_returned(is_probe=permit.is_probe)
        unused = self._settle(permit, completion, now)
        lesson = self._limits.on_completion(
            FinishedAttempt(permit.taken, unused, self._outstanding, in_flight),
            completion.outcome,
            completion.headers,
            now,
        )
        outcome = completion.outcome
        is_agreed, self._has_failed = self._has_failed, outcome.is_unreachable
        if lesson.is_random:
            self._window.forget_refusals()
            return
        self._update_window(completion, in_flight, now, random, knows_limits=lesson.knows_limits)
        if completion.pause_s and (outcome.is_rate_limited or is_agreed):
            self._pause(completion, now)

    def _delay(self, cost: AttemptCost, amounts: Amounts, now: float) -> Delay | None:
        """Return the longest wait, with the most important of its reasons; None without any."""
        delays = [
            (self._paused_until - now, self._pause_limiter),
            (self._breaker.wait_s(now), Limiter.FAILURES),
            (self._next_at - now, self._spread_limiter(now)),
            *self._limit_delays(amounts, now),
        ]
        # In an outage single probes are sent, even while older attempts hang and fill the window.
        if not self._breaker.is_open and self.in_flight >= int(self.window_size):
            alone_until = self._alone_until or math.inf
            delays.append((alone_until - now, self._window_limiter))
        if cost.is_retry and not self.allows_retry:
            delays.append((math.inf, Limiter.FAILURES))
        delays = [delay for delay in delays if delay[0] > 0]
        if not delays:
            return None
        return Delay(max(seconds for seconds, _ in delays), delays[0][1])

    def _limit_delays(self, amounts: Amounts, now: float) -> list[tuple[float, Limiter]]:
        """Return the waits for the limits, the longest first."""
        waits = [
            (bucket.wait_s(amounts.of(kind), now), Limiter.of(kind))
            for kind, bucket in self._job_limits.items()
        ]
        waits += self._limits.waits(amounts, now)
        return sorted(waits, key=lambda wait: -wait[0]) if len(waits) > 1 else waits

    @property
    def _window_limiter(self) -> Limiter:
        return Limiter.CONCURRENCY if self._window.is_at_cap else Limiter.RAMPING

    def _spread_limiter(self, now: float) -> Limiter:
        is_after_pause = now < self._paused_until + SPREAD_S
        return self._pause_limiter if is_after_pause else Limiter.RAMPING

    def _gap_s(self, now: float) -> float:
        """Return the gap to the next attempt: after a pause, when many wait, and at the start.

        The window doubles in the time of one response, and its attempts are spread over half of
        it: a limit that shows itself only by refusals is then met by one after the other.
        """
        rate = self._limits.learned.rate
        if now < self._paused_until + SPREAD_S:
            return 0.5 / rate if rate < math.inf else SPREAD_S / max(1.0, self._window.size)
        if rate < math.inf or not self._window.is_starting:
            return 0.0
        return min(_LONGEST_GAP_S, self._window.latency_s / (2 * self._window.size))

    def _settle(self, permit: Permit, completion: Completion, now: float) -> dict[Kind, float]:
        """Give back what was taken but not used; nothing when the usage is unknown.

        Return it for the limits that there are.
        """
        taken, kinds = permit.taken.amounts, self._job_limits.keys() | permit.taken.marks.keys()
        if completion.usage is not None:
            used = counted_amounts(completion.usage)
            self._average.update(permit.cost.body_bytes, used)
            unused = {kind: taken.of(kind) - used.of(kind) for kind in kinds}
        elif completion.outcome.is_rate_limited or completion.outcome.is_unsent:
            unused = {kind: taken.of(kind) for kind in kinds}
        else:
            return {}
        for kind, bucket in self._job_limits.items():
            if kind is not Kind.REQUESTS:  # the request was sent, even if the API refused it
                bucket.give_back(unused[kind], now)
        return unused

    def _update_window(
        self,
        completion: Completion,
        in_flight: int,
        now: float,
        random: float,
        *,
        knows_limits: bool,
    ) -> None:
        outcome = completion.outcome
        if outcome.is_rate_limited:
            self._window.on_refused(in_flight, now)
        elif outcome.is_transient or outcome.is_unreachable:
            self._window.on_failure(in_flight, now)
            is_unknown = outcome.billing is Billing.UNKNOWN
            self._breaker.on_failure(now, random, is_billing_unknown=is_unknown)
        elif outcome.verdict is not Verdict.HALT:
            if self._breaker.on_success():
                self._window.restart()
                self._quota.fill()
            latency_s = completion.latency_s if outcome.billing is Billing.BILLED else None
            self._window.on_success(in_flight, latency_s, knows_limits=knows_limits)
            self._quota.earn()
            self._limits.on_success()

    def _pause(self, completion: Completion, now: float) -> None:
        """Hold all attempts; a longer pause that already runs stays."""
        until = now + completion.pause_s
        if until > self._paused_until:
            self._paused_until = self._next_at = until
            is_refused = completion.outcome.is_rate_limited
            self._pause_limiter = Limiter.REFUSED if is_refused else Limiter.FAILURES
