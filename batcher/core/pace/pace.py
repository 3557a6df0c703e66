"""Decides when the next attempt may be sent, from rate limits, window, pauses and outages."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from batcher.core.answers.outcome import Billing, Outcome, Verdict
from batcher.core.money.usage import Usage
from batcher.core.pace.circuit_breaker import CircuitBreaker
from batcher.core.pace.headers import LimitReport, limit_reports
from batcher.core.pace.kinds import Amounts, Kind, Limiter
from batcher.core.pace.learned_limit import Cause, LearnedLimit
from batcher.core.pace.observed_limit import ObservedLimit
from batcher.core.pace.retry import RetryQuota
from batcher.core.pace.send_history import SendMark
from batcher.core.pace.token_bucket import TokenBucket
from batcher.core.pace.usage_average import UsageAverage, counted_amounts
from batcher.core.pace.window import Window

ALONE_S = 10.0
"""The longest time, in seconds, that other attempts wait for the first response."""

_LONGEST_GAP_S = 0.025
_SLACK_S = 0.005
_ROOM = 1.25

LEAD_S = 0.05
"""How long before it is sent an attempt is permitted that has to keep a distance to others."""


SPREAD_S = 1.0
"""The seconds over which the waiting attempts are spread after a pause."""


@dataclass(frozen=True, slots=True)
class AttemptCost:
    """An attempt that waits to be sent; ``is_retry`` after a failure, but not after a 429."""

    body_bytes: int
    max_tokens: int
    is_retry: bool = False


@dataclass(frozen=True, slots=True)
class Permit:
    """The attempt may be sent now; ``amounts`` is what it is expected to use.

    ``marks`` are the levels of the API's limits, as ``ObservedLimit.take`` returned them.
    """

    cost: AttemptCost
    amounts: Amounts
    sent: SendMark
    marks: Mapping[Kind, float] = field(default_factory=dict)
    is_over_quota: bool = False
    is_probe: bool = False
    lead_s: float = 0.0
    gap_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Delay:
    """The attempt has to wait this long, and why; infinite: until another attempt returns."""

    seconds: float
    limiter: Limiter


@dataclass(frozen=True, slots=True)
class Completion:
    """What the pace learns from an attempt; ``retry_s`` is the wait before its retry, if any."""

    outcome: Outcome
    headers: Mapping[str, str]
    usage: Usage | None
    latency_s: float
    retry_s: float | None = None

    @property
    def pause_s(self) -> float:
        """How long all attempts wait: a 429, or an overload with retry-after, concerns them all."""
        outcome = self.outcome
        is_for_all = outcome.is_rate_limited or (outcome.is_overloaded and outcome.retry_after_s)
        return (self.retry_s or 0.0) if is_for_all else 0.0


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
        self._limits: dict[Kind, ObservedLimit] = {}
        self._learned = LearnedLimit()
        self._paused_until = float("-inf")
        self._next_at = float("-inf")
        self._pause_limiter = Limiter.REFUSED
        self._outstanding = 0.0
        self._alone_until: float | None = None
        self.in_flight = 0

    def __repr__(self) -> str:
        levels = {str(kind): round(limit.bucket.level) for kind, limit in self._limits.items()}
        return f"<Pace {self.in_flight} of {self._window.size:.1f} in flight, {levels}>"

    @property
    def window_size(self) -> float:
        """How many attempts may be in flight: at least what a learned rate keeps there."""
        if self._learned.bucket is None:
            return self._window.size
        needed = 1 + _ROOM * self._learned.rate * self._window.latency_s
        return max(self._window.size, min(float(self._cap), needed))

    @property
    def allows_retry(self) -> bool:
        """Whether the quota of retries allows one now."""
        return self._quota.allows()

    @property
    def observed_limits(self) -> dict[Kind, tuple[float, float]]:
        """The API's limits as its headers show them: units per minute, and capacity in units."""
        return {
            kind: (limit.bucket.per_minute, limit.bucket.capacity)
            for kind, limit in self._limits.items()
        }

    def admit(self, cost: AttemptCost, now: float) -> Permit | Delay:
        """Permit an attempt and count it as sent, or return how long it has to wait."""
        if self._alone_until is not None and now >= self._alone_until:
            self._window.start()
            self._alone_until = float("inf")
        if now >= self._paused_until:
            longer_s = self._learned.conclude(now)
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
        marks = {kind: limit.take(amounts.of(kind)) for kind, limit in self._limits.items()}
        self.in_flight += 1
        self._outstanding += amounts.output_tokens
        self._next_at = max(self._next_at, now - _SLACK_S) + self._gap_s(now)
        is_over_quota = cost.is_retry and self._quota.take()
        sent, is_probe = self._learned.take(now), self._breaker.on_sent()
        gap_s = self._learned.gap_s
        lead_s = LEAD_S if gap_s else 0.0
        return Permit(cost, amounts, sent, marks, is_over_quota, is_probe, lead_s, gap_s)

    def on_completion(
        self, permit: Permit, completion: Completion, now: float, random: float
    ) -> None:
        """Learn from an attempt that returned; ``random`` is uniform in [0, 1)."""
        self._alone_until = float("inf")
        in_flight, self.in_flight = self.in_flight, self.in_flight - 1
        self._outstanding -= permit.amounts.output_tokens
        self._quota.on_returned(is_over_quota=permit.is_over_quota)
        self._breaker.on_returned(is_probe=permit.is_probe)
        unused = self._settle(permit, completion, now)
        reports = limit_reports(completion.headers)
        if Kind.REQUESTS in reports and Kind.TOKENS not in reports:
            self._limits.pop(Kind.TOKENS, None)  # it is no longer lower than the other two together
        is_explained = self._learn(permit, completion, reports, in_flight, now)
        if is_explained:
            for kind, report in reports.items():
                mark = permit.marks.get(kind)
                corrected_mark = None if mark is None else mark + unused.get(kind, 0.0)
                self._update_limit(kind, report, corrected_mark, now)
        self._update_window(completion, reports if is_explained else {}, in_flight, now, random)
        if completion.pause_s:
            self._pause(completion, now)

    def _delay(self, cost: AttemptCost, amounts: Amounts, now: float) -> Delay | None:
        """Return the longest wait, with the most important of its reasons; None without any."""
        limits = [
            Delay(limit.wait_s(amounts.of(kind), now), Limiter.of(kind))
            for limits in (self._job_limits, self._limits)
            for kind, limit in limits.items()
        ]
        delays = [
            Delay(self._paused_until - now, self._pause_limiter),
            Delay(self._breaker.wait_s(now), Limiter.FAILURES),
            Delay(self._next_at - now, self._pause_limiter),
            Delay(self._learned.wait_s(now), Limiter.REQUESTS),
            *sorted(limits, key=lambda delay: -delay.seconds),
        ]
        # In an outage single probes are sent, even while older attempts hang and fill the window.
        if not self._breaker.is_open and self.in_flight >= int(self.window_size):
            alone_until = self._alone_until or float("inf")
            delays.append(Delay(alone_until - now, self._window_limiter))
        if cost.is_retry and not self.allows_retry:
            delays.append(Delay(float("inf"), Limiter.FAILURES))
        delays = [delay for delay in delays if delay.seconds > 0]
        if not delays:
            return None
        return Delay(max(delay.seconds for delay in delays), delays[0].limiter)

    @property
    def _window_limiter(self) -> Limiter:
        return Limiter.CONCURRENCY if self._window.is_at_cap else Limiter.RAMPING

    def _gap_s(self, now: float) -> float:
        """Return the gap to the next attempt; only after a pause, when many are waiting."""
        rate = self._learned.rate
        if now < self._paused_until + SPREAD_S:
            return 0.5 / rate if rate < math.inf else SPREAD_S / max(1.0, self._window.size)
        if rate < math.inf or not self._window.is_starting:
            return 0.0
        return min(_LONGEST_GAP_S, self._window.latency_s / (2 * self._window.size))

    def _settle(self, permit: Permit, completion: Completion, now: float) -> dict[Kind, float]:
        """Give back what was taken but not used; nothing when the usage is unknown."""
        taken = permit.amounts
        if completion.usage is not None:
            used = counted_amounts(completion.usage)
            self._average.update(permit.cost.body_bytes, used)
            unused = {kind: taken.of(kind) - used.of(kind) for kind in Kind}
        elif completion.outcome.is_rate_limited or completion.outcome.is_unsent:
            unused = {kind: taken.of(kind) for kind in Kind}
        else:
            return {}
        for kind, bucket in self._job_limits.items():
            if kind is not Kind.REQUESTS:  # the request was sent, even if the API refused it
                bucket.give_back(unused[kind], now)
        for kind in permit.marks.keys() & self._limits.keys():
            self._limits[kind].bucket.give_back(unused[kind], now)
        return unused

    def _learn(
        self,
        permit: Permit,
        completion: Completion,
        reports: Mapping[Kind, LimitReport],
        in_flight: int,
        now: float,
    ) -> bool:
        """Learn a limit from a refusal; False when it contradicts what the headers tell."""
        outcome, sent = completion.outcome, permit.sent
        if not outcome.is_rate_limited:
            if outcome.billing is Billing.BILLED:
                self._learned.on_success(sent, in_flight, now)
            return True
        told = self._limits.get(Kind.REQUESTS)
        cause = Cause.UNKNOWN
        if outcome.is_acceleration:
            cause = Cause.ACCELERATION
        elif any(self._explains(kind, report, permit) for kind, report in reports.items()):
            cause = Cause.KNOWN_LIMIT
        self._learned.on_refused(sent, cause, told.bucket.per_minute / 60 if told else None)
        return cause is not Cause.UNKNOWN

    def _explains(self, kind: Kind, report: LimitReport, permit: Permit) -> bool:
        """Return whether this limit was as empty as a refusal says, also by our model."""
        limit, mark = self._limits.get(kind), permit.marks.get(kind)
        if limit is None or mark is None or report.per_minute != limit.bucket.per_minute:
            return True
        is_empty = report.remaining <= report.tolerance(kind) + permit.amounts.of(kind)
        return is_empty and limit.is_nearly_empty(mark, permit.amounts.of(kind))

    def _update_limit(
        self, kind: Kind, report: LimitReport, mark: float | None, now: float
    ) -> None:
        limit = self._limits.get(kind)
        if limit is None:
            self._limits[kind] = ObservedLimit.from_report(kind, report, now)
            return
        outstanding = self._outstanding if kind in (Kind.OUTPUT, Kind.TOKENS) else 0.0
        limit.update(report, mark, outstanding, now)

    def _update_window(
        self,
        completion: Completion,
        reports: Mapping[Kind, LimitReport],
        in_flight: int,
        now: float,
        random: float,
    ) -> None:
        outcome = completion.outcome
        if outcome.is_rate_limited:
            self._window.on_refused(in_flight, now)
            for kind, report in reports.items():
                if report.remaining <= report.tolerance(kind):
                    self._limits[kind].on_refused(now)
        elif outcome.is_transient or outcome.is_unreachable:
            self._window.on_failure(in_flight, now)
            self._breaker.on_failure(now, random)
        elif outcome.verdict is not Verdict.HALT:
            if self._breaker.on_success():
                self._window.restart()
                self._quota.fill()
            latency_s = completion.latency_s if outcome.billing is Billing.BILLED else None
            self._window.on_success(in_flight, latency_s, knows_limits=bool(reports))
            self._quota.earn()
            for limit in self._limits.values():
                limit.on_success()

    def _pause(self, completion: Completion, now: float) -> None:
        """Hold all attempts; a longer pause that already runs stays."""
        until = now + completion.pause_s
        if until > self._paused_until:
            self._paused_until = self._next_at = until
            is_refused = completion.outcome.is_rate_limited
            self._pause_limiter = Limiter.REFUSED if is_refused else Limiter.FAILURES
