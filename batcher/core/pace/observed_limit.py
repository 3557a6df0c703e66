"""One rate limit of the API, followed from the headers of responses and from what we send."""

from dataclasses import dataclass, field

from batcher.core.pace.headers import LimitReport
from batcher.core.pace.kinds import Kind
from batcher.core.pace.token_bucket import TokenBucket

_SPARE_SHARE = 0.1
_MARGIN = 0.05
_MARGIN_ATTEMPTS = 2
_MAX_MARGIN = 0.5
_MARGIN_GROWTH = 1.5
_MARGIN_DECAY = 0.998
_NEARLY = 3
_NEARLY_EMPTY_SHARE = 0.1

EPISODE_S = 2.5
"""Refusals within this time count once: attempts in flight at the same time met the same state."""


@dataclass(slots=True)
class ObservedLimit:
    """Our model of a token bucket at the API, from which other clients may take, too.

    The API documents a bucket that refills continuously, but not its capacity: we assume the most
    that ever remained, and at least the limit of one second. We deduct what we send and let it
    refill; each report corrects what other clients took. A report describes some instant between
    the request and its response, and it is not known which. So only a difference that neither end
    explains is corrected: at once when less remains than we assumed, and by a tenth when more
    remains. ``outstanding`` output tokens are deducted by us when a request is sent, and by the
    API while it writes them, so a surplus up to that size corrects nothing.

    A margin is never used: a twentieth of the bucket, because the level of a bucket that is not
    empty shows what others take; and at least twice what the attempt needs, because attempts do
    not arrive at the intervals at which they were sent. The margin grows with each refusal and
    shrinks with each success. Times are seconds of any monotonic clock.
    """

    kind: Kind
    bucket: TokenBucket
    margin: float = field(default=_MARGIN, init=False)
    _corrected: float = field(default=0.0, init=False)
    _margin_raised_at: float = field(default=float("-inf"), init=False)

    @classmethod
    def from_report(cls, kind: Kind, report: LimitReport, now: float) -> "ObservedLimit":
        """Return the limit as the first report describes it."""
        capacity = max(1.0, report.per_minute / 60, report.remaining)
        return cls(kind, TokenBucket(report.per_minute, capacity, report.remaining, now))

    def wait_s(self, amount: float, now: float) -> float:
        """Return the seconds until ``amount`` may be taken and the margin remains."""
        capacity = self.bucket.capacity
        margin = max(self.margin * capacity, min(_MARGIN_ATTEMPTS * amount, _MAX_MARGIN * capacity))
        return self.bucket.wait_s(amount + margin, now)

    def take(self, amount: float) -> float:
        """Deduct what an attempt will need; return a mark of the level, to be passed to ``update``.

        The mark leaves out the corrections so far. So the corrections made until the response
        arrives count, and a change that all attempts in flight report is corrected once.
        """
        return self.bucket.take(amount) - self._corrected

    def update(
        self, report: LimitReport, mark: float | None, outstanding: float, now: float
    ) -> None:
        """Correct the level by the report of an attempt that was sent with this mark."""
        bucket = self.bucket
        bucket.refill(now)
        if report.per_minute != bucket.per_minute:
            # The capacity is assumed to change in proportion.
            bucket.capacity = max(1.0, bucket.capacity * report.per_minute / bucket.per_minute)
            bucket.level = min(bucket.level, bucket.capacity)
            bucket.per_minute = report.per_minute
        bucket.capacity = max(bucket.capacity, report.remaining)
        when_sent = bucket.level if mark is None else mark + self._corrected
        low, high = sorted((when_sent, bucket.level))
        tolerance = report.tolerance(self.kind)
        missing = low - tolerance - report.remaining
        spare = report.remaining - tolerance - outstanding - high
        if missing > 0:
            self._correct(-missing)
        elif spare > 0:
            self._correct(min(_SPARE_SHARE * spare, bucket.capacity - bucket.level))

    def is_nearly_empty(self, mark: float, amount: float) -> bool:
        """Return whether the level at a mark explains that ``amount`` was refused."""
        level = mark + self._corrected
        return level <= max(_NEARLY * amount, _NEARLY_EMPTY_SHARE * self.bucket.capacity)

    def on_refused(self, now: float) -> None:
        """Raise the margin: the API saw less in the bucket than we did."""
        if now - self._margin_raised_at >= EPISODE_S:
            self._margin_raised_at = now
            self.margin = min(_MAX_MARGIN, self.margin * _MARGIN_GROWTH)

    def on_success(self) -> None:
        """Lower the margin a little."""
        self.margin = max(_MARGIN, self.margin * _MARGIN_DECAY)

    def _correct(self, change: float) -> None:
        self.bucket.level += change
        self._corrected += change
