"""Compares the ways to send a plan: how long each takes, and which one a run takes first."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from batcher.core.batches.auto import CANCEL_S, MARGIN_S, PACE_DOUBT
from batcher.core.batches.durations import Durations
from batcher.core.batches.priming import PrimedPrefix
from batcher.core.delivery import Mode
from batcher.core.estimate.estimate import Choice, Dollars
from batcher.core.estimate.spread import TAIL, Spread

_PLACES = Decimal("0.000001")
_SAMPLED_BATCHES = 100


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides how long a plan takes: its requests, the size of a batch, and what is known.

    ``live_s`` is the duration of a live run, ``left_s`` the time to the deadline of auto; each is
    None when there is none. ``durations`` are those of batches.
    """

    requests: int
    batch_rows: int
    durations: Durations
    live_s: Spread | None = None
    left_s: float | None = None

    @property
    def batches(self) -> int:
        """The number of batches that take all requests."""
        return max(1, math.ceil(self.requests / self.batch_rows))

    @property
    def rows(self) -> int:
        """The requests in the largest batch."""
        return min(self.requests, self.batch_rows)


def compared(choices: Iterable[Choice], mode: Mode, now: Situation) -> tuple[Choice, ...]:
    """Return the choices with their times, and auto if it has a deadline; the run's comes first.

    A live run marks what it can for the prompt cache; batches are sent the cheaper way.
    """
    timed = [replace(choice, seconds=_seconds(choice, now)) for choice in choices]
    timed = _with_late_batches(timed, now)
    auto = _auto(timed, now)
    timed += [] if auto is None else [auto]
    return led_by(timed, mode)


def led_by(choices: Sequence[Choice], mode: Mode) -> tuple[Choice, ...]:
    """Return the choices with that of a run with this delivery first."""
    first = best(choices, mode) or choices[0]
    return (first, *(choice for choice in choices if choice is not first))


def best(choices: Iterable[Choice], mode: Mode) -> Choice | None:
    """Return how a run with this delivery sends its requests; None when it cannot."""
    own = [choice for choice in choices if choice.delivery == mode]
    if mode == "live":
        return max(own, key=lambda choice: choice.is_cached, default=None)
    return min(own, key=lambda choice: choice.usd.expected, default=None)


def batch_seconds(now: Situation, *, is_primed: bool) -> Spread:
    """Return how long it takes until all batches have ended: the median and a 90 % interval.

    All batches are sent at once; primed ones wait for a batch of one request.
    """

    def until(share: float) -> float:
        first = now.durations.age_at(1, share) if is_primed else 0.0
        return first + now.durations.age_at(now.rows, share ** (1 / now.batches))

    return Spread(until(0.5), until(TAIL), until(1 - TAIL))


def share_in_batches(now: Situation) -> float:
    """Return the share of the rows that auto is likely to get from batches by its deadline.

    Batches that have not ended are cancelled one after the other, early enough for their rows to be
    sent live.
    """
    if now.left_s is None or now.live_s is None:
        return 0.0
    live_s = now.live_s.expected * (1 + PACE_DOUBT)
    number = min(now.batches, _SAMPLED_BATCHES)
    last_s = now.left_s - MARGIN_S - CANCEL_S
    ages = (last_s - live_s * (1 - (index + 0.5) / number) for index in range(number))
    return sum(now.durations.done_by(now.rows, max(0.0, age)) for age in ages) / number


def _with_late_batches(choices: list[Choice], now: Situation) -> list[Choice]:
    """Put the batches into the price that end too late to read what a primed prefix has written.

    They are cancelled before the entry expires, and their rows are sent again without marks.
    """
    plain = next((each for each in choices if _is_batch(each) and not each.is_cached), None)
    use_by_s = PrimedPrefix(now.rows, used_after_s=0.0).use_by_s or 0.0
    share = Decimal(now.durations.done_by(now.rows, use_by_s))
    return [
        replace(each, usd=_mixed(plain.usd, each.usd, share))
        if plain is not None and _is_batch(each) and each.is_cached
        else each
        for each in choices
    ]


def _is_batch(choice: Choice) -> bool:
    return choice.delivery == "batch"


def _seconds(choice: Choice, now: Situation) -> Spread | None:
    if choice.delivery == "live":
        return now.live_s
    return batch_seconds(now, is_primed=choice.is_cached)


def _auto(choices: list[Choice], now: Situation) -> Choice | None:
    live, batch = best(choices, "live"), best(choices, "batch")
    if live is None or batch is None or now.left_s is None:
        return None
    share = share_in_batches(now)
    left_s = max(0.0, now.left_s)
    ends = batch_seconds(now, is_primed=batch.is_cached)
    seconds = Spread(min(ends.expected, left_s), min(ends.low, left_s), min(ends.high, left_s))
    usd = _mixed(live.usd, batch.usd, Decimal(share))
    return Choice("auto", batch.is_cached, usd, seconds)


def _mixed(usual: Dollars, other: Dollars, share: Decimal) -> Dollars:
    """Return the cost when this share of the rows is sent the other way; it may be all or none."""
    expected = other.expected * share + usual.expected * (1 - share)
    low, high = min(other.low if share else usual.low, usual.low), max(usual.high, expected)
    return Dollars(expected.quantize(_PLACES), low, high, usual.worst)
