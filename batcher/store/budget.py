"""Sums for a budget over the attempts of a checkpoint, in SQL."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from batcher.store.checkpoint import Checkpoint
from batcher.store.queries import queries

_BUDGET = queries("budget")


@dataclass(frozen=True, slots=True)
class SpentMoney:
    """The money that a budget has to count, in exact USD.

    ``spent`` was billed. ``unknown`` is the most that attempts with unknown billing status can have
    cost, without the released ones. ``unbounded`` is the number of these attempts without a bound.
    """

    spent: Decimal
    unknown: Decimal
    unbounded: int


def spent_money(checkpoint: Checkpoint, since: datetime | None = None) -> SpentMoney:
    """Sum up all attempts, or those sent since a time."""
    text = None if since is None else since.isoformat()
    return SpentMoney(**checkpoint.row(_BUDGET["spent_money"], since=text))


def release_unknown(checkpoint: Checkpoint, now: datetime) -> tuple[int, Decimal]:
    """Release the money reserved for attempts whose billing status is unknown.

    Returns the number of these attempts and their reserved money in USD. Call it only while holding
    the lock, because attempts in flight have no outcome either.
    """
    ((number, usd),) = checkpoint.rows(_BUDGET["unknown_attempts"])
    if number:
        checkpoint.add(_BUDGET["release"], now=now.isoformat())
    return number, usd
