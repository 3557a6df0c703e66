"""What a budget has to count of the attempts of a checkpoint, in SQL."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from batcher.store.checkpoint import Checkpoint
from batcher.store.queries import queries

_BUDGET = queries("budget")


@dataclass(frozen=True, slots=True)
class Counted:
    """Exact USD: ``spent`` was billed, ``unknown`` may have been billed unseen and is still held.

    ``unbounded`` attempts may have been, too, and nobody knows for how much at most.
    """

    spent: Decimal
    unknown: Decimal
    unbounded: int


def counted(checkpoint: Checkpoint, since: datetime | None = None) -> Counted:
    """Add up all attempts ever made, or those sent since a time."""
    text = None if since is None else since.isoformat()
    return Counted(**checkpoint.row(_BUDGET["standing"], since=text))


def release_unknown(checkpoint: Checkpoint, now: datetime) -> tuple[int, Decimal]:
    """Hold nothing any more for attempts that may have been billed unseen; how many, and how much.

    Only who holds the lock may: an attempt in flight has no outcome either.
    """
    ((number, usd),) = checkpoint.rows(_BUDGET["unseen"])
    if number:
        checkpoint.add(_BUDGET["release"], now=now.isoformat())
    return number, usd
