"""The delivery ``auto``: as much as possible in batches, the rest live, all by a deadline.

At any time the rows without an answer must still fit into the time that is left, if all of them
are sent live. While they fit with time to spare, everything waits in batches. When nothing is to
spare, live requests begin with the rows that are in no batch; batches are cancelled one after the
other, just early enough that live requests never wait for rows. A cancel costs nothing: what was
answered before is kept at half the price, the rest was not billed. Its rows are sent live only
after the batch has ended, so no row is paid for twice. When a batch ends in time, time is to spare
again, and live requests stop.
"""

import math
from dataclasses import dataclass

from batcher.core.batches.durations import Durations

PACE_DOUBT = 0.5
"""By how much the live pace may be lower than what earlier runs or limits tell, as a share."""

CANCEL_S = 1_200.0
"""The assumed time from a cancel to the end of the batch: the longest response of one request."""

LIVE_S = 300.0
"""The least seconds of live work that are handed over at once, so that it stops when a batch ends;
when more than that is late already, all of it is handed over."""

MARGIN_S = 2_100.0
"""The seconds to spare, for late looks, the first requests of a live run and most outages."""

_AHEAD_S = 60.0  # what is due within this time is done now
_SMALLEST_SHARE = 0.1  # of a batch's rows; fewer wait until there are more, or go live
_LEAST_CHANCE = 0.25  # a batch is worth making if it ends with this chance before it is cancelled


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch that has not ended: its rows without an answer, and its seconds since creation."""

    batch: int
    rows: int
    age_s: float
    is_canceling: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """What is left to do, and in which time.

    ``left_s`` is the time until the deadline; it is negative after it. ``waiting`` counts the rows
    without an answer that may be sent either way; ``in_flight`` those that were handed over to live
    requests. ``rows_per_s`` is the live pace. ``batch_room`` is how many more requests the API's
    queue takes, None when it has not refused any. ``cancel_s`` is how long a cancel takes.
    """

    left_s: float
    waiting: int
    in_flight: int
    batches: tuple[OpenBatch, ...]
    rows_per_s: float
    batch_rows: int
    batch_room: int | None = None
    cancel_s: float = CANCEL_S


@dataclass(frozen=True, slots=True)
class Step:
    """What to do now: how many of the waiting rows go which way, and which batches to cancel.

    Decide again after ``again_s`` seconds, or earlier when a batch or the live requests have ended.
    """

    submit: int
    send_live: int
    cancel: tuple[int, ...]
    again_s: float


def decide(now: Situation, durations: Durations) -> Step:
    """Decide what to do, so that the deadline is met at the lowest cost."""
    submit = _rows_to_submit(now, durations)
    cancel, next_s = _cancels(now, submit, durations)
    live, live_in_s = 0, _live_in_s(now)
    if live_in_s <= _AHEAD_S:
        enough = math.ceil(now.rows_per_s * max(LIVE_S, -live_in_s)) - now.in_flight
        live = max(0, min(now.waiting - submit, enough))
        live_in_s = LIVE_S / 2
    return Step(submit, live, cancel, max(_AHEAD_S / 2, min(live_in_s, next_s)))


def _margin_s(now: Situation, rows: int) -> float:
    return MARGIN_S + PACE_DOUBT * rows / now.rows_per_s


def _open_rows(now: Situation) -> int:
    return now.waiting + now.in_flight + sum(batch.rows for batch in now.batches)


def _live_in_s(now: Situation) -> float:
    """Return the seconds until live requests have to begin, if no batch ends before."""
    rows = _open_rows(now)
    return now.left_s - rows / now.rows_per_s - _margin_s(now, rows)


def _rows_to_submit(now: Situation, durations: Durations) -> int:
    """Return how many waiting rows go into batches.

    Those stay out that live requests would reach before a batch with them has a fair chance to end
    and, if it has not, could be cancelled.
    """
    worth_s = durations.age_at(min(now.batch_rows, now.waiting), _LEAST_CHANCE) + now.cancel_s
    reached = now.rows_per_s * max(0.0, worth_s - max(0.0, _live_in_s(now)))
    rows = min(now.waiting, now.waiting + now.in_flight - math.ceil(reached))
    if now.batch_room is not None:
        rows = min(rows, now.batch_room)
    least = min(now.batch_rows, _open_rows(now)) * _SMALLEST_SHARE
    return rows if rows >= min(now.waiting, least) else 0


def _cancels(now: Situation, submit: int, durations: Durations) -> tuple[tuple[int, ...], float]:
    """Return the batches to cancel now, and the seconds until the next cancel.

    A batch is cancelled when the rest of the time is needed for the rows in batches, and the others
    will be used up in the time that a cancel takes. The least likely to end in time goes first.
    """
    kept = [batch for batch in now.batches if not batch.is_canceling]
    kept.sort(key=lambda batch: (_chance(now, batch, durations), batch.age_s), reverse=True)
    rows = submit + sum(batch.rows for batch in kept)
    others = _open_rows(now) - rows
    cancel: list[int] = []
    while kept:
        spare_s = now.left_s - rows / now.rows_per_s - _margin_s(now, rows)
        wait_s = max(spare_s, others / now.rows_per_s) - now.cancel_s
        if wait_s > _AHEAD_S:
            return tuple(cancel), wait_s
        last = kept.pop()
        cancel.append(last.batch)
        rows, others = rows - last.rows, others + last.rows
    return tuple(cancel), math.inf


def _chance(now: Situation, batch: OpenBatch, durations: Durations) -> float:
    """Return the chance that a batch ends before its rows could no longer be sent live."""
    until_s = now.left_s - now.cancel_s - _margin_s(now, batch.rows)
    return durations.chance(batch.rows, batch.age_s, batch.age_s + until_s)
