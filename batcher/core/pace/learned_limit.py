"""A limit on requests that the headers do not tell, learned from what the API refuses."""

import math
from dataclasses import dataclass, field, replace
from enum import Enum

from batcher.core.pace.kinds import KnownLimit
from batcher.core.pace.rate_doubt import Belief, RateDoubt
from batcher.core.pace.send_history import SendHistory, SendMark
from batcher.core.pace.token_bucket import TokenBucket

_SETTLED = 0.97
_AFTER_SEARCH = 0.8
_TRIAL = 20
_SHORT_TRIAL = 5
_FEW = 4
_FAR = 1.1
_HEADER_SHARE = 0.985
_NEAR = 5.0
_SLOW = 50.0
_BELOW_HEADER = 0.93
_BURST_SHARE = 0.8
_LOWEST_SHARE = 0.1
_SAME_SHARE = 0.05
_HOLD_S = 60.0
_MAX_HOLD_S = 960.0
_GROWTH = 0.02
_SEARCH_GROWTH = 0.2
_ACCELERATION = 0.05
_SLOWER = 0.7
_STEADY = 0.01
_FREE_START, _FREE_GROWTH = 8.0, 1.25
_MAX_REST_S = 30.0


class Cause(Enum):
    """Why an attempt was refused."""

    KNOWN_LIMIT = "a limit that the headers show"
    ACCELERATION = "a rate that grew too fast"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class _Refusal:
    """The first of several attempts that were refused together."""

    mark: SendMark
    until: tuple[int, float]  # the number of the last attempt that was sent before, and when
    cause: Cause
    header_rate: float | None


@dataclass(slots=True)
class LearnedLimit:
    """A limit of requests per second with a burst; there is none until a refusal shows it.

    Some servers enforce a limit per minute by the second or request by request, or have a limit of
    which their headers say nothing. Only refusals show it. The first one sets a rate: the one that
    the headers tell, or else the rate so far, from which a search begins. Each later one gives two
    bounds. The rate at which the refused attempt was sent is too high. What passed since the
    refusal before, divided by the time, is not too high, because the server's bucket was empty
    both times.

    After a refusal the rate returns to 0.97 of the refused one, and is held there for a minute;
    each time that the same rate is refused it is held twice as long. A refusal at a rate that
    seemed safe shows that the estimate was wrong: then the rate is set between the two bounds. The
    burst is most of what passed at once before a refusal, beyond what the rate explains.

    A limit on acceleration refuses no rate, only its sudden growth: the rate starts at what passed
    in the last ten seconds and doubles in thirty, or more slowly when that is refused, too.

    When the rate has fallen so far that it may not explain the refusals, a test tells
    (``RateDoubt``). If they are at random, there is no limit: the rate grows fast, and a refusal
    teaches nothing.

    Rates grow with successes while this limit is in use. Times are seconds of any monotonic clock.
    """

    bucket: TokenBucket | None = field(default=None, init=False)
    _history: SendHistory = field(default_factory=SendHistory, init=False)
    _last: tuple[float, int] = field(default=(-math.inf, 0), init=False)  # when, passed
    _in_row: int = field(default=0, init=False)
    _refused_rate: float | None = field(default=None, init=False)
    _top_rate: float = field(default=math.inf, init=False)
    _hold_s: float = field(default=_HOLD_S, init=False)
    _held_until: float | None = field(default=None, init=False)
    _acceleration: float | None = field(default=None, init=False)
    _noted: "_Refusal | None" = field(default=None, init=False)
    _noted_until: int = field(default=0, init=False)
    _safe_rate: float | None = field(default=None, init=False)
    _successes: int = field(default=0, init=False)
    _set_at: int = field(default=0, init=False)
    _doubt: RateDoubt = field(default_factory=RateDoubt, init=False)
    _belief: Belief = field(default=Belief.RATE, init=False)
    _doubted_rate: float = field(default=0.0, init=False)

    @property
    def rate(self) -> float:
        """Requests per second; infinite while there is no limit."""
        return math.inf if self.bucket is None else self.bucket.per_minute / 60

    @property
    def known(self) -> KnownLimit | None:
        """The limit; None while no rate was refused."""
        is_at_random = self._belief is Belief.RANDOM
        if self.bucket is None or self._acceleration is not None or is_at_random:
            return None
        rate = self._doubted_rate if self._belief is Belief.IN_TEST else self.rate
        return KnownLimit(60 * rate, self.bucket.capacity, is_learned=True)

    def begin(self, known: KnownLimit, now: float) -> None:
        """Start from the limit that an earlier run has learned, and hold it for a while."""
        rate = known.per_minute / 60
        self.bucket = TokenBucket(known.per_minute, known.burst, min(1.0, known.burst), now)
        self._refused_rate, self._safe_rate = rate, _BELOW_HEADER * rate
        self._held_until = now + self._hold_s

    @property
    def gap_s(self) -> float:
        """The seconds between attempts, where they have to keep a distance; otherwise 0."""
        if self.bucket is None or self.bucket.capacity >= 2:
            return 0.0
        return 60 / self.bucket.per_minute

    def wait_s(self, now: float) -> float:
        """Return the seconds until an attempt may be sent."""
        return 0.0 if self.bucket is None else self.bucket.wait_s(1.0, now)

    def take(self, now: float) -> SendMark:
        """Count an attempt that is sent; pass the mark to ``on_refused`` or ``on_accelerated``."""
        if self.bucket is not None:
            self.bucket.take(1.0)
        self._doubt.on_sent()
        self._heed_doubt()
        return SendMark(self._history.add(now), now, self.rate)

    def on_success(self, mark: SendMark, in_flight: int, now: float) -> None:
        """Let the rate grow a little when this limit was in use since it was set."""
        self._doubt.on_passed(mark.number)
        self._heed_doubt()
        if self.bucket is None or mark.number <= self._set_at:
            return
        self.bucket.refill(now)
        if self._doubt.belief is Belief.RANDOM:
            self.bucket.per_minute *= _FREE_GROWTH
            self.bucket = self.bucket if self.bucket.level < self.bucket.capacity else None
        elif self._doubt.belief is Belief.RATE and self.bucket.level < self.bucket.capacity:
            self.bucket.per_minute = 60 * min(self._grown_rate(in_flight, now), self._top_rate)

    def _grown_rate(self, in_flight: int, now: float) -> float:
        rate, refused = self.rate, self._refused_rate
        if self._acceleration is not None:
            return rate + self._acceleration
        assert self.bucket is not None  # noqa: S101 - the rate is of a limit
        self._successes += 1
        if refused is None:
            growth = min(_SEARCH_GROWTH / math.sqrt(self.bucket.capacity), 1 / in_flight)
            return rate * (1 + growth) if self._successes > 2 * self.bucket.capacity - 2 else rate
        if self._held_until is not None:
            return rate + _GROWTH if now >= self._held_until else rate
        trial = min(_TRIAL, max(_SHORT_TRIAL, 2 * rate / max(refused - rate, 1e-9)))
        if self._successes < trial + 2 * self.bucket.capacity:
            return rate
        self._safe_rate, self._successes, self._set_at = rate, 0, self._history.number
        if refused < (1 + _SAME_SHARE) * rate:
            self._held_until = now + self._hold_s
            return rate
        return math.sqrt(rate * refused)

    def on_refused(self, mark: SendMark, cause: Cause, header_rate: float | None = None) -> bool:
        """Note a refusal; ``header_rate`` is what the headers tell. False if it teaches nothing.

        Attempts that were in flight together are refused together: only the first one counts.
        One that is at random, whatever the rate, teaches nothing.
        """
        self._history.on_refused(mark.number)
        if cause is not Cause.KNOWN_LIMIT:
            self._doubt.on_refused(mark.number)
            self._heed_doubt()
            if self._doubt.belief is Belief.RANDOM:
                return False
        if mark.number > self._noted_until:
            self._noted_until = self._history.number
            self._noted = _Refusal(mark, self._history.last, cause, header_rate)
        elif self._noted is not None and mark.number < self._noted.mark.number:
            self._noted = replace(self._noted, mark=mark)
        return True

    def _heed_doubt(self) -> None:
        """Act when it is news whether a rate explains the refusals.

        If it does after all, learning begins again; after a test the rate is what it was.
        """
        before, self._belief = self._belief, self._doubt.belief
        if self._belief is before or self._belief is Belief.IN_TEST:
            return
        if self._belief is Belief.RANDOM:
            self._noted, self._in_row, self._acceleration = None, 0, None
            self._refused_rate = self._safe_rate = self._held_until = None
            self._top_rate = math.inf
            if self.bucket is not None:
                self.bucket.per_minute *= _FREE_START
        elif before is Belief.RANDOM:
            self.bucket = None
        elif self.bucket is not None:
            self.bucket.per_minute = 60 * self._doubted_rate

    def conclude(self, now: float) -> float:
        """Learn from the last refusal; return how much longer the pause has to be.

        Call it after the pause, when all attempts that were refused together are back.
        """
        if self._noted is None:
            return 0.0
        refusal, self._noted = self._noted, None
        is_first, has_passed = self._last[0] == -math.inf, self._history.passed > self._last[1]
        self._in_row = 0 if has_passed or is_first else self._in_row + 1
        is_news = refusal.cause is not Cause.KNOWN_LIMIT and has_passed
        if is_news and self._doubt.belief is Belief.RATE:
            passed = self._history.passed_before(refusal.mark), self._history.passed
            self._doubt.on_limit(refusal.mark.sent_at, *passed)
            self._set(refusal, now)
        self._last = refusal.mark.sent_at, self._history.passed
        if not self._in_row or self._doubt.explains(self._in_row):
            return 0.0
        return min(_MAX_REST_S, 2.0 ** min(self._in_row - 1, 8))

    def _set(self, refusal: "_Refusal", now: float) -> None:
        mark, burst = refusal.mark, 1.0
        if refusal.cause is Cause.ACCELERATION:
            rate = self._accelerated_rate(mark)
        elif self.bucket is None or self._acceleration is not None:
            rate = self._first_rate(refusal)
            burst = self._burst(mark, rate)
        elif self._passed_since(mark) < 2 * self.bucket.capacity > 2:
            rate, burst = min(self.rate, mark.rate), self._passed_since(mark) / 2
        else:
            rate = self._lower_rate(mark)
            burst = min(self.bucket.capacity, self._burst(mark, rate))
        is_steady = self._acceleration is not None and self._acceleration < _STEADY
        test_rate = self._doubt.test_rate(0.0 if is_steady else rate, self._history.number + 1)
        if test_rate is not None:
            self._doubted_rate, rate, burst = rate, test_rate, 1.0
            self._belief = Belief.IN_TEST
        self._set_at, self._successes = self._history.number, 0
        burst = max(1.0, math.floor(burst))
        level = min(burst, rate * max(0.0, now - mark.sent_at))
        self.bucket = TokenBucket(60 * rate, burst, level, now)

    def _first_rate(self, refusal: "_Refusal") -> float:
        """Return the rate that the headers tell, or else an estimate from what has passed."""
        self._refused_rate = self._safe_rate = self._acceleration = None
        shown, seen = refusal.header_rate, self._history.first_rate(refusal.mark, refusal.until)
        self._top_rate = math.inf if shown is None else _HEADER_SHARE * shown
        return (
            self._top_rate if self._top_rate <= max(_NEAR * seen, _SLOW) else _AFTER_SEARCH * seen
        )

    def _accelerated_rate(self, mark: SendMark) -> float:
        """Return the rate after a refusal because it grew too fast."""
        if self._acceleration is None:
            self._acceleration = _ACCELERATION
        else:
            self._acceleration *= _SLOWER
        return min(self.rate, self._history.ten_second_rate(mark))

    def _lower_rate(self, mark: SendMark) -> float:
        """Return the rate after another refusal."""
        assert self.bucket is not None  # noqa: S101 - there is a limit
        refused, before, safe = mark.rate, self._refused_rate, self._safe_rate
        self._refused_rate, self._held_until = refused, None
        if safe is not None and safe < refused:
            is_same = before is not None and abs(refused / before - 1) < _SAME_SHARE
            self._hold_s = min(_MAX_HOLD_S, 2 * self._hold_s) if is_same else _HOLD_S
            if self.bucket.capacity > 2:
                return self._between(mark, safe)
            return math.sqrt(safe * refused) if refused > _FAR * safe else safe
        self._safe_rate, self._hold_s = None, _HOLD_S
        is_searching = before is None and self._passed_since(mark) >= _FEW
        if is_searching and self.bucket.capacity <= 2:
            return (_BELOW_HEADER if refused >= self._top_rate else _AFTER_SEARCH) * refused
        return self._between(mark, refused)

    def _between(self, mark: SendMark, highest: float) -> float:
        """Return a rate between what passed since the last refusal and this one."""
        lowest = max(self._passing_rate(mark), _LOWEST_SHARE * highest)
        return min(_SETTLED * highest, math.sqrt(lowest * highest))

    def _burst(self, mark: SendMark, rate: float) -> float:
        explained = max(rate, self._history.recent_rate(mark))
        return _BURST_SHARE * self._history.burst(mark, explained)

    def _passing_rate(self, mark: SendMark) -> float:
        """Return what passed since the last refusal, per second."""
        seconds = mark.sent_at - self._last[0]
        return self._passed_since(mark) / seconds if seconds > 0 else 0.0

    def _passed_since(self, mark: SendMark) -> int:
        return self._history.passed_before(mark) - self._last[1]
