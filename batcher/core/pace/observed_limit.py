"""One limit of the API, followed from what its answers tell and from what we send."""

from dataclasses import dataclass, field

from batcher.core.pace.headers import Report
from batcher.core.pace.kinds import Kind
from batcher.core.pace.token_bucket import TokenBucket

_RISE = 0.1
_MARGIN = 0.05
_APART = 2
_MOST_MARGIN = 0.5
_MARGIN_GROWTH = 1.5
_MARGIN_DECAY = 0.998

EPISODE_S = 2.5
"""Refusals within so many seconds tell the same: what was in flight met the same state."""


@dataclass(slots=True)
class ObservedLimit:
    """A shadow of a token bucket that stands at the API and that others may take from, too.

    The documented algorithm is a bucket that refills continuously. How much it holds is not told:
    it is what remained at most so far, and at least one second's worth. We deduct what we send and
    let it refill; each report corrects what others took. A report is of some instant between the
    sending of a request and its answer, nobody says which: only what neither end explains is
    corrected, at once when there is less than we thought, a tenth of it at a time when there is
    more. ``outstanding`` output is deducted by us when a request leaves and by the API as it is
    written, so that much more than we think is no news.

    A margin is left untouched, a twentieth of the bucket: while the bucket does not run dry, its
    level shows what others take. It is twice what the attempt needs at least, because attempts do
    not arrive as far apart as they left. It grows with each refusal and shrinks with each answer.
    Times are seconds of any monotonic clock.
    """

    kind: Kind
    bucket: TokenBucket
    margin: float = field(default=_MARGIN, init=False)
    _corrected: float = field(default=0.0, init=False)
    _margin_raised_at: float = field(default=float("-inf"), init=False)

    @classmethod
    def first_seen(cls, kind: Kind, report: Report, now: float) -> "ObservedLimit":
        """Begin with what the first answer tells."""
        capacity = max(1.0, report.per_minute / 60, report.remaining)
        return cls(kind, TokenBucket(report.per_minute, capacity, report.remaining, now))

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until so much may be taken and the margin is left."""
        capacity = self.bucket.capacity
        margin = max(self.margin * capacity, min(_APART * amount, _MOST_MARGIN * capacity))
        return self.bucket.wait_s(amount + margin, now)

    def take(self, amount: float) -> float:
        """Deduct what an attempt will need; returns a mark of the level, to be given to ``see``.

        The mark leaves out the corrections so far, so that those made until the answer comes count:
        all that were in flight report the same news, which must be heard once.
        """
        return self.bucket.take(amount) - self._corrected

    def see(self, report: Report, mark: float | None, outstanding: float, now: float) -> None:
        """Take a report into account, for an attempt that left with this mark."""
        bucket = self.bucket
        bucket.refill(now)
        if report.per_minute != bucket.per_minute:
            # What it holds shrinks or grows with it.
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
            self._correct(min(_RISE * spare, bucket.capacity - bucket.level))

    def refused(self, now: float) -> None:
        """Leave more untouched: the API saw less in the bucket than we did."""
        if now - self._margin_raised_at >= EPISODE_S:
            self._margin_raised_at = now
            self.margin = min(_MOST_MARGIN, self.margin * _MARGIN_GROWTH)

    def answered(self) -> None:
        """Leave a little less untouched."""
        self.margin = max(_MARGIN, self.margin * _MARGIN_DECAY)

    def _correct(self, change: float) -> None:
        self.bucket.level += change
        self._corrected += change
