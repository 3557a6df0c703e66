"""The API's limits: those that its headers show, and the one that only its refusals show."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from batcher.core.answers.outcome import Billing, Outcome
from batcher.core.pace.headers import LimitReport, limit_reports
from batcher.core.pace.kinds import Amounts, Kind, KnownLimit, Limiter
from batcher.core.pace.learned_limit import Cause, LearnedLimit
from batcher.core.pace.observed_limit import ObservedLimit
from batcher.core.pace.send_history import SendMark


class Taken(NamedTuple):
    """What an attempt took from the limits when it was admitted.

    ``marks`` are the levels of the limits that the headers show, as ``ObservedLimit.take``
    returned them. ``gap_s`` is the distance to other attempts that the attempt has to keep.
    """

    amounts: Amounts
    sent: SendMark
    marks: Mapping[Kind, float]
    gap_s: float = 0.0


class FinishedAttempt(NamedTuple):
    """An attempt that returned: what it took, and what of that it did not use.

    ``outstanding`` are the output tokens that the attempts in flight are expected to use,
    ``in_flight`` is their number with this one.
    """

    taken: Taken
    unused: Mapping[Kind, float]
    outstanding: float
    in_flight: int


class Lesson(NamedTuple):
    """What a response shows: whether its headers tell limits, and whether it is refused at random.

    A refusal at random, whatever the rate, concerns only its own request.
    """

    knows_limits: bool
    is_random: bool = False


@dataclass(slots=True)
class ApiLimits:
    """Decides by the API's limits when an attempt may be sent, and learns from each response.

    The headers show a limit as a bucket that refills. A refusal that such a bucket does not explain
    contradicts them: then their claim counts for less than what is refused and let through.
    """

    learned: LearnedLimit = field(default_factory=LearnedLimit)
    observed: dict[Kind, ObservedLimit] = field(default_factory=dict, init=False)

    def waits(self, amounts: Amounts, now: float) -> Iterator[tuple[float, Limiter]]:
        """Yield the seconds until each limit admits an attempt."""
        yield self.learned.wait_s(now), Limiter.REQUESTS
        for kind, limit in self.observed.items():
            yield limit.wait_s(amounts.of(kind), now), Limiter.of(kind)

    def take(self, amounts: Amounts, now: float) -> Taken:
        """Deduct what an attempt will use."""
        marks = {kind: limit.take(amounts.of(kind)) for kind, limit in self.observed.items()}
        return Taken(amounts, self.learned.take(now), marks, self.learned.gap_s)

    def on_completion(
        self,
        finished: "FinishedAttempt",
        outcome: Outcome,
        headers: Mapping[str, str],
        now: float,
    ) -> Lesson:
        """Learn from a response."""
        taken, unused = finished.taken, finished.unused
        for kind in taken.marks.keys() & self.observed.keys():
            self.observed[kind].bucket.give_back(unused.get(kind, 0.0), now)
        reports = limit_reports(headers)
        if Kind.REQUESTS in reports and Kind.TOKENS not in reports:
            self.observed.pop(Kind.TOKENS, None)  # no longer lower than the other two together
        if outcome.is_rate_limited:
            cause = self._cause(taken, outcome, reports)
            is_random = not self._on_refused(taken, cause, reports, now)
            if is_random or cause is Cause.UNKNOWN:
                return Lesson(knows_limits=False, is_random=is_random)
        for kind, report in reports.items():
            self._update(kind, report, finished, now)
        if outcome.billing is Billing.BILLED:
            self.learned.on_success(taken.sent, finished.in_flight, now)
        return Lesson(knows_limits=bool(reports))

    def on_success(self) -> None:
        """Use the limits a little closer."""
        for limit in self.observed.values():
            limit.on_success()

    @property
    def known(self) -> dict[Kind, KnownLimit]:
        """Each limit, of several the lower one."""
        known = {
            kind: KnownLimit(limit.bucket.per_minute, limit.bucket.capacity)
            for kind, limit in self.observed.items()
        }
        learned, shown = self.learned.known, known.get(Kind.REQUESTS)
        if learned is not None and (shown is None or learned.per_minute <= shown.per_minute):
            known[Kind.REQUESTS] = learned
        return known

    def _cause(self, taken: Taken, outcome: Outcome, reports: Mapping[Kind, LimitReport]) -> Cause:
        """Return why an attempt was refused, as far as it and the headers tell."""
        if outcome.is_acceleration:
            return Cause.ACCELERATION
        is_known = any(self._explains(kind, report, taken) for kind, report in reports.items())
        return Cause.KNOWN_LIMIT if is_known else Cause.UNKNOWN

    def _on_refused(
        self, taken: Taken, cause: Cause, reports: Mapping[Kind, LimitReport], now: float
    ) -> bool:
        """Learn from a refusal; one of unknown cause contradicts what the headers tell.

        Return False if it is one of those at random.
        """
        shown = self.observed.get(Kind.REQUESTS)
        rate = shown.bucket.per_minute / 60 if shown else None
        if not self.learned.on_refused(taken.sent, cause, rate):
            return False
        if cause is Cause.UNKNOWN:
            return True
        for kind, report in reports.items():
            if kind in self.observed and report.remaining <= report.tolerance(kind):
                self.observed[kind].on_refused(now)
        return True

    def _explains(self, kind: Kind, report: LimitReport, taken: Taken) -> bool:
        """Return whether a limit was as empty as a refusal says, also by our model of it."""
        limit, mark = self.observed.get(kind), taken.marks.get(kind)
        if limit is not None and report.per_minute != limit.bucket.per_minute:
            return True
        amount = taken.amounts.of(kind)
        if report.remaining > report.tolerance(kind) + amount:
            return False
        return limit is None or mark is None or limit.is_nearly_empty(mark, amount)

    def _update(
        self, kind: Kind, report: LimitReport, finished: "FinishedAttempt", now: float
    ) -> None:
        limit = self.observed.get(kind)
        if limit is None:
            self.observed[kind] = ObservedLimit.from_report(kind, report, now)
            return
        mark = finished.taken.marks.get(kind)
        corrected_mark = None if mark is None else mark + finished.unused.get(kind, 0.0)
        outstanding = finished.outstanding if kind in (Kind.OUTPUT, Kind.TOKENS) else 0.0
        limit.update(report, corrected_mark, outstanding, now)
