"""Decides when the next attempt may be sent, from limits, window, pauses and outages."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from batcher.core.answers.outcome import Billing, Outcome, Verdict
from batcher.core.money.usage import Usage
from batcher.core.pace.circuit_breaker import Breaker
from batcher.core.pace.headers import Report, reports
from batcher.core.pace.kinds import Amounts, Kind
from batcher.core.pace.limiter import Limiter
from batcher.core.pace.observed_limit import ObservedLimit
from batcher.core.pace.quota import RetryQuota
from batcher.core.pace.token_bucket import TokenBucket
from batcher.core.pace.usage_average import Estimate, counted
from batcher.core.pace.window import Window

ALONE_S = 10.0
"""How long the first request goes alone: answers that take longer are no reason to stand still."""

SPREAD_S = 1.0
"""How long those whom a pause held up are spread over when it ends."""


@dataclass(frozen=True, slots=True)
class AttemptCost:
    """An attempt that wants to leave; ``is_retry`` after a failure, not after a refusal (429)."""

    body_bytes: int
    max_tokens: int
    is_retry: bool = False


@dataclass(frozen=True, slots=True)
class Permit:
    """The attempt leaves now: what it is taken to use, and the marks of the limits' levels."""

    cost: AttemptCost
    amounts: Amounts
    marks: Mapping[Kind, float] = field(default_factory=dict)
    is_lone: bool = False
    is_probe: bool = False


@dataclass(frozen=True, slots=True)
class Delay:
    """It may not leave for so many seconds (infinite: not before an answer), and why."""

    seconds: float
    limiter: Limiter


@dataclass(frozen=True, slots=True)
class Completion:
    """What came of an attempt, as far as the pace goes; ``retry_s`` is when it is tried again."""

    outcome: Outcome
    headers: Mapping[str, str]
    usage: Usage | None
    latency_s: float
    retry_s: float | None = None

    @property
    def pause_s(self) -> float:
        """How long everybody waits: what limits or an overload ask of one, they ask of all."""
        outcome = self.outcome
        is_for_all = outcome.is_rate_limited or (outcome.is_overloaded and outcome.retry_after_s)
        return (self.retry_s or 0.0) if is_for_all else 0.0


class Pace:
    """Decides for the attempts that share the API's limits: those of one model or group of models.

    Call ``ask`` for the attempt that has waited longest and ``on_completion`` once per permit.
    ``cap`` bounds what is in flight, ``most_rest_s`` the rest in an outage, and ``own`` are the
    job's own limits, which several may share.
    Nothing here waits, draws lots or looks at a clock: times are seconds of any monotonic one.
    """

    def __init__(self, cap: int, most_rest_s: float, own: Mapping[Kind, TokenBucket]) -> None:
        self._own = own
        self._window = Window(cap)
        self._breaker = Breaker(most_rest_s)
        self._quota = RetryQuota()
        self._estimate = Estimate()
        self._limits: dict[Kind, ObservedLimit] = {}
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
        """How many may be in flight."""
        return self._window.size

    @property
    def allows_retry(self) -> bool:
        """Whether a retry may leave now as far as their share of the traffic goes."""
        return self._quota.allows()

    @property
    def learnt(self) -> dict[Kind, tuple[float, float]]:
        """What the API's headers told: each limit a minute, and how much of it is held at most."""
        return {
            kind: (limit.bucket.per_minute, limit.bucket.capacity)
            for kind, limit in self._limits.items()
        }

    def ask(self, cost: AttemptCost, now: float) -> Permit | Delay:
        """Let an attempt go and count it, or say how long it has to wait."""
        if self._alone_until is not None and now >= self._alone_until:
            self._window.start()
            self._alone_until = float("inf")
        amounts = self._estimate.of(cost.body_bytes, cost.max_tokens)
        hold = self._hold(cost, amounts, now)
        if hold is not None:
            return hold
        if self._alone_until is None:
            self._alone_until = now + ALONE_S
        for kind, bucket in self._own.items():
            bucket.take(amounts.of(kind))
        marks = {kind: limit.take(amounts.of(kind)) for kind, limit in self._limits.items()}
        self.in_flight += 1
        self._outstanding += amounts.output_tokens
        self._next_at = max(self._next_at, now) + self._gap_s(now)
        is_lone = cost.is_retry and self._quota.take()
        return Permit(cost, amounts, marks, is_lone, self._breaker.leaves())

    def on_completion(
        self, permit: Permit, completion: Completion, now: float, random: float
    ) -> None:
        """Learn from what came back; ``random`` is uniform in [0, 1)."""
        self._alone_until = float("inf")
        in_flight, self.in_flight = self.in_flight, self.in_flight - 1
        self._outstanding -= permit.amounts.output_tokens
        self._quota.came_back(is_lone=permit.is_lone)
        self._breaker.came_back(is_probe=permit.is_probe)
        unused = self._settle(permit, completion, now)
        told = reports(completion.headers)
        if Kind.REQUESTS in told and Kind.TOKENS not in told:
            self._limits.pop(Kind.TOKENS, None)  # it is no longer tighter than the two others
        for kind, report in told.items():
            mark = permit.marks.get(kind)
            self._see(kind, report, None if mark is None else mark + unused.get(kind, 0.0), now)
        self._judge(completion, told, in_flight, now, random)
        if completion.pause_s:
            self._pause(completion, now)

    def _hold(self, cost: AttemptCost, amounts: Amounts, now: float) -> Delay | None:
        """How long an attempt is held up, and by what first of all; None when nothing does."""
        limits = [
            Delay(limit.wait_s(amounts.of(kind), now), Limiter.of(kind))
            for limits in (self._own, self._limits)
            for kind, limit in limits.items()
        ]
        holds = [
            Delay(self._paused_until - now, self._pause_limiter),
            Delay(self._breaker.wait_s(now), Limiter.OVERLOADED),
            Delay(self._next_at - now, self._pause_limiter),
            *sorted(limits, key=lambda hold: -hold.seconds),
        ]
        # In an outage one at a time leaves anyway, whatever hangs.
        if not self._breaker.is_open and not self._window.has_room(self.in_flight):
            alone_until = self._alone_until or float("inf")
            holds.append(Delay(alone_until - now, self._window_limiter))
        if cost.is_retry and not self.allows_retry:
            holds.append(Delay(float("inf"), Limiter.OVERLOADED))
        holds = [hold for hold in holds if hold.seconds > 0]
        return Delay(max(hold.seconds for hold in holds), holds[0].limiter) if holds else None

    @property
    def _window_limiter(self) -> Limiter:
        return Limiter.CONCURRENCY if self._window.is_whole else Limiter.RAMPING

    def _gap_s(self, now: float) -> float:
        """How far apart attempts leave: only after a pause, which held many up."""
        is_after_pause = now < self._paused_until + SPREAD_S
        return SPREAD_S / max(1.0, self._window.size) if is_after_pause else 0.0

    def _settle(self, permit: Permit, completion: Completion, now: float) -> dict[Kind, float]:
        """Give back what was taken and not used; of an attempt of unknown fate all stays taken."""
        taken = permit.amounts
        if completion.usage is not None:
            used = counted(completion.usage)
            self._estimate.learn(permit.cost.body_bytes, used)
            unused = {kind: taken.of(kind) - used.of(kind) for kind in Kind}
        elif completion.outcome.is_rate_limited or completion.outcome.is_unsent:
            unused = {kind: taken.of(kind) for kind in Kind}
        else:
            return {}
        for kind, bucket in self._own.items():
            if kind is not Kind.REQUESTS:  # it left, whatever the API made of it
                bucket.give_back(unused[kind], now)
        for kind in permit.marks.keys() & self._limits.keys():
            self._limits[kind].bucket.give_back(unused[kind], now)
        return unused

    def _see(self, kind: Kind, report: Report, mark: float | None, now: float) -> None:
        limit = self._limits.get(kind)
        if limit is None:
            self._limits[kind] = ObservedLimit.first_seen(kind, report, now)
            return
        outstanding = self._outstanding if kind in (Kind.OUTPUT, Kind.TOKENS) else 0.0
        limit.see(report, mark, outstanding, now)

    def _judge(
        self,
        completion: Completion,
        told: Mapping[Kind, Report],
        in_flight: int,
        now: float,
        random: float,
    ) -> None:
        outcome = completion.outcome
        if outcome.is_rate_limited:
            self._window.refused(in_flight, now)
            for kind, report in told.items():
                if report.remaining <= report.tolerance(kind):
                    self._limits[kind].refused(now)
        elif outcome.is_trouble or outcome.is_unreachable:
            self._window.failed(in_flight, now)
            self._breaker.failed(now, random)
        elif outcome.verdict is not Verdict.HALT:
            if self._breaker.answered():
                self._window.restart()
                self._quota.fill()
            latency_s = completion.latency_s if outcome.billing is Billing.BILLED else None
            self._window.answered(in_flight, latency_s, knows_limits=bool(told))
            self._quota.earn()
            for limit in self._limits.values():
                limit.answered()

    def _pause(self, completion: Completion, now: float) -> None:
        """Hold everybody, not only whose answer asked for it; a longer pause that runs stays."""
        until = now + completion.pause_s
        if until > self._paused_until:
            self._paused_until = self._next_at = until
            is_refused = completion.outcome.is_rate_limited
            self._pause_limiter = Limiter.REFUSED if is_refused else Limiter.OVERLOADED
