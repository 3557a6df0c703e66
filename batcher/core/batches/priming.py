"""Decides which prefixes of a job are written to the prompt cache before batches read them.

A batch whose prefixes nobody has written reads nothing: its requests run at the same time, and each
would pay for a write. So a batch of one request per prefix goes first, with marks of one hour. When
its usage shows the write, the other requests with that prefix follow with the same marks, while the
entry lives; all others have no marks. Each read renews the entry.

A batch with marks never costs more than without: what has not ended when the entry may expire is
cancelled, which costs nothing, and its requests are sent again without marks. What can be lost is
the price of the write itself, when nothing reads it; so only prefixes are primed that are to save
many times that much.
"""

from dataclasses import dataclass
from enum import Enum

from batcher.core.batches.durations import Durations
from batcher.core.cache.entries import LIFETIME_S
from batcher.core.money.rates import Rates

PRIMED_READS = 0.98
"""The assumed share of requests that read a primed prefix; users have measured 100 %."""

PRIMED_READS_SIGMA = 0.015
"""The deviation of that share: it is hardly ever below 95 %."""

_LIFE_S = LIFETIME_S["1h"]
_MARGIN_S = 300.0  # from the decision to cancel until no further request of the batch begins
_LEAST_GAIN = 10.0  # what priming is to save, as a multiple of the surcharge of its write
_LEAST_CHANCE = 0.5  # that a batch with marks ends before it would be cancelled


class Marks(Enum):
    """What happens next to the requests that share a prefix."""

    PRIME = "prime"  # one of them is sent alone, with marks of one hour; the others wait for it
    FOLLOW = "follow"  # they are sent with marks of one hour
    NONE = "none"  # they are sent without marks


@dataclass(frozen=True, slots=True)
class PrimedPrefix:
    """A prefix: how many requests with it are still to send, and what is known of its entry.

    ``used_after_s``: the API has begun a request that wrote or read the entry after this time, at
    which its batch was created; None when no such request is known. ``has_failed``: its marks did
    not pay (``pays``), or a batch with them had to be cancelled.
    """

    requests: int
    used_after_s: float | None = None
    has_failed: bool = False

    @property
    def use_by_s(self) -> float | None:
        """When a batch with marks is cancelled, unless a later use of the entry is known then."""
        return None if self.used_after_s is None else self.used_after_s + _LIFE_S - _MARGIN_S


def marks(
    prefix: PrimedPrefix, rates: Rates, durations: Durations, batch_rows: int, now_s: float
) -> Marks:
    """Decide about a prefix; ``rates`` are those of a batch, times are seconds of any clock."""
    if prefix.has_failed:
        return Marks.NONE
    rows = min(prefix.requests, batch_rows)
    left_s = 0.0 if prefix.use_by_s is None else prefix.use_by_s - now_s
    if durations.done_by(rows, left_s) >= _LEAST_CHANCE and _saved_by_read(rates) > 0:
        return Marks.FOLLOW
    priming_s = durations.age_at(1, _LEAST_CHANCE)
    is_in_time = durations.done_by(rows, _LIFE_S - _MARGIN_S - priming_s) >= _LEAST_CHANCE
    gain = _gain(prefix.requests, rates, PRIMED_READS)
    is_worth = gain > 0 and gain >= _LEAST_GAIN * _surcharge(rates)
    return Marks.PRIME if is_in_time and is_worth else Marks.NONE


def pays(reads: int, writes: int, rates: Rates) -> bool:
    """Return whether the marks of a batch paid, which read and wrote these tokens of its prefixes.

    If they did not, the entry is not read as expected: cancel the other batches with its marks.
    """
    return reads * _saved_by_read(rates) >= writes * _surcharge(rates)


def saving_usd(tokens: float, requests: int, rates: Rates, reads: float = PRIMED_READS) -> float:
    """Return what priming saves of the price of a prefix of ``tokens`` in all requests; may be < 0.

    ``rates`` are those of a batch, ``reads`` is the share of reads after priming; the other
    requests write again.
    """
    return tokens * (_gain(requests, rates, reads) - _surcharge(rates)) / 1e6


def _gain(requests: int, rates: Rates, reads: float) -> float:
    """Return what the requests after the first one save, for one million tokens of the prefix."""
    followers = max(0, requests - 1)
    return followers * (reads * _saved_by_read(rates) - (1 - reads) * _surcharge(rates))


def _saved_by_read(rates: Rates) -> float:
    return float(rates.input) - float(rates.cache_read)


def _surcharge(rates: Rates) -> float:
    return max(0.0, float(rates.cache_write_1h) - float(rates.input))
