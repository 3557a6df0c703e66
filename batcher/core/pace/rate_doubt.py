"""Tells refusals at random from those of a rate: at half the rate that passed, a limit is quiet."""

import math
from dataclasses import dataclass, field
from enum import Enum

_PROVEN_ATTEMPTS = 4
_PROVEN_S = 2.0
_BELOW = 0.75
_TEST_SHARE = 0.5
_FEW, _MANY = 3, 24
_REMEMBERED = 400
_LEAST_SHARE, _MOST_SHARE = 0.04, 2 / 3
_KEPT, _LEFT = 0.7, 0.15
_IS_RANDOM, _IS_RATE = 4.0, -4.0
_ENOUGH = 20
_BLOCK = 50
_CLEARLY_FACTOR, _CLEARLY_MORE, _BY_CHANCE, _MOST_USUAL = 1.5, 0.1, 4, 0.86
_GREATER_FACTOR, _GREATER_MORE = 1.3, 0.03
_OVER = 20.0
_LIKELY = 0.1


class Belief(Enum):
    """What explains the refusals."""

    RATE = "a rate"
    IN_TEST = "a test will tell"
    RANDOM = "no rate"


@dataclass(slots=True)
class _Tally:
    """Attempts that were sent, and how many of them were refused; old ones count for less."""

    sent: float = 0.0
    refused: float = 0.0

    def add(self) -> None:
        """Count an attempt that is sent."""
        self.sent += 1
        if self.sent > _REMEMBERED:
            self.sent, self.refused = self.sent / 2, self.refused / 2

    @property
    def share(self) -> float:
        """The share of refused attempts."""
        return min(1.0, self.refused / self.sent) if self.sent else 0.0


@dataclass(slots=True)
class RateDoubt:
    """Decides whether attempts are refused at random: by a gateway, or by one of many servers.

    What passed between two refusals, divided by the time, is a rate that a limit lets through. When
    a learned rate falls below it, a rate may not explain the refusals. The test: at half of that
    rate a limit refuses nothing or far less, while refusals at random keep their share (a
    sequential test, A. Wald, 1945). After a test for nothing, twice as many refusals are needed
    before the next one.

    Refusals at random teach nothing. They are over when chance does not explain how many pass in a
    row. When clearly more of fifty are refused than before, a rate explains it after all.

    Shares are of the attempts that were sent, because refusals return before answers do. Attempts
    have consecutive numbers. Times are seconds of any monotonic clock.
    """

    belief: Belief = field(default=Belief.RATE, init=False)
    _all: _Tally = field(default_factory=_Tally, init=False)
    _anchor: tuple[float, int] | None = field(default=None, init=False)
    _proven: float = field(default=0.0, init=False)
    _needed: int = field(default=_FEW, init=False)
    _test: _Tally = field(default_factory=_Tally, init=False)
    _first: int = field(default=0, init=False)  # the number of the first attempt of a test or block
    _share: float = field(default=0.0, init=False)
    _most: float = field(default=0.0, init=False)
    _score: float = field(default=0.0, init=False)
    _last_refused: int = field(default=0, init=False)

    def on_limit(self, sent_at: float, passed_before: int, passed: int) -> None:
        """Note when an attempt met the limit, if it is one; how many passed before it, and now."""
        if self._anchor is not None:
            seconds, number = sent_at - self._anchor[0], passed_before - self._anchor[1] - 1
            if number < _PROVEN_ATTEMPTS or seconds < _PROVEN_S:
                return
            self._proven = max(self._proven, number / seconds)
        self._anchor = sent_at, passed

    def test_rate(self, rate: float, next_number: int) -> float | None:
        """Return the rate of a test that begins, because a learned rate is too low to be true."""
        if rate >= _BELOW * self._proven or self._all.refused < self._needed:
            return None
        self.belief, self._first = Belief.IN_TEST, next_number
        self._share = min(_MOST_SHARE, max(_LEAST_SHARE, (self._all.refused - 1) / self._all.sent))
        self._test, self._score = _Tally(), 0.0
        return _TEST_SHARE * self._proven

    def explains(self, in_row: int) -> bool:
        """Return whether this number of refusals in a row is likely, if they are at random."""
        share = self._all.share
        return share < _MOST_SHARE and share**in_row > _LIKELY

    def on_sent(self) -> None:
        """Count an attempt that is sent."""
        self._all.add()
        if self.belief is Belief.IN_TEST:
            self._test.add()
            self._score += math.log((1 - _KEPT * self._share) / (1 - _LEFT * self._share))
            self._conclude()

    def on_passed(self, number: int) -> None:
        """Count an attempt that was answered."""
        in_row = number - self._last_refused
        if self.belief is Belief.RANDOM and in_row * self._share > _OVER:
            self._believe_in_rate()

    def on_refused(self, number: int) -> None:
        """Count an attempt that was refused, unless a known limit explains it."""
        self._last_refused = max(number, self._last_refused)
        if number < self._first:
            return
        self._all.refused += 1
        self._test.refused += 1
        if self.belief is Belief.IN_TEST:
            kept, left = _KEPT * self._share, _LEFT * self._share
            self._score += math.log(kept / (1 - kept)) - math.log(left / (1 - left))
            self._conclude()
        elif self.belief is Belief.RANDOM:
            self._watch(number)

    def _conclude(self) -> None:
        is_possible = self._test.share <= _MOST_SHARE
        if self._score >= _IS_RANDOM and is_possible:
            self.belief, self._share = Belief.RANDOM, self._all.share
            self._most = _GREATER_FACTOR * self._share + _GREATER_MORE
            self._begin_block(self._first)
        elif self._score <= _IS_RATE or (self._test.sent >= _ENOUGH and not is_possible):
            self._needed = min(2 * self._needed, _MANY)
            self._believe_in_rate()

    def _watch(self, number: int) -> None:
        if number >= self._first + _BLOCK:
            self._begin_block(number)
        usual = min(_MOST_USUAL, _CLEARLY_FACTOR * self._share + _CLEARLY_MORE)
        if self._test.refused > usual * _BLOCK + _BY_CHANCE:
            self._needed = min(2 * self._needed, _MANY)
            self._believe_in_rate()

    def _begin_block(self, number: int) -> None:
        self._share = min(self._most, max(self._share, self._all.share))
        self._first, self._test = number, _Tally()

    def _believe_in_rate(self) -> None:
        self.belief, self._anchor, self._proven = Belief.RATE, None, 0.0
        self._all, self._test = _Tally(), _Tally()
