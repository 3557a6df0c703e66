"""A batch that is not done with: being made, at the API, or ended and not yet collected."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from batcher.store.batches import StoredBatch
from batcher.store.records import BatchRecord

READINGS = 5
"""How often results are read that are damaged or lack items, before these count as lost."""


@dataclass(slots=True)
class OpenBatch:
    """What a run knows about one of its batches, or about one of an earlier run.

    ``id`` is None as long as it is not known whether the API has created it. ``worst_usd`` is the
    most that its items without a result can cost, as far as they have a bound. ``is_looked_for``:
    the watch looks for it in the list of batches. ``is_said``: the user knows that it waits.
    ``is_primer``: it writes the cache entry that others read. ``readings`` counts readings of its
    results that were not complete, ``looks_without`` looks at which the API did not know it.
    ``done`` is set when it is done with. Times are in UTC.
    """

    number: int
    run_id: str
    marker: str
    requests: int
    newest_id: str | None
    made_at: datetime
    cache_ttl: str | None = None
    key_digest: str = ""
    id: str | None = None
    created_at: datetime | None = None
    is_canceling: bool = False
    has_ended: bool = False
    is_looked_for: bool = False
    is_said: bool = False
    is_primer: bool = False
    readings: int = 0
    looks_without: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)
    worst_usd: Decimal = Decimal(0)

    @classmethod
    def of(cls, record: BatchRecord, worst_usd: Decimal | None) -> "OpenBatch":
        """Return a batch of which only the intent is recorded."""
        return cls(
            number=record.batch,
            run_id=record.run_id,
            marker=record.marker,
            requests=record.requests,
            newest_id=record.newest_id,
            made_at=record.made_at,
            cache_ttl=record.cache_ttl,
            key_digest=record.key_digest,
            worst_usd=worst_usd or Decimal(0),
        )

    @classmethod
    def stored(cls, stored: StoredBatch) -> "OpenBatch":
        """Return a batch of an earlier run, or of this one before it was interrupted."""
        batch = cls.of(stored.record, stored.worst_usd)
        batch.id, batch.created_at = stored.id, stored.created_at
        batch.is_canceling = stored.cancel_at is not None
        batch.has_ended = stored.ended_at is not None
        return batch

    @property
    def name(self) -> str:
        """How messages name it: by the API's id, once it is known."""
        return f"batch {self.number}" if self.id is None else self.id

    @property
    def is_last_reading(self) -> bool:
        """Whether its results are not read again after this reading, whatever they lack."""
        return self.readings + 1 >= READINGS

    def age_s(self, now: datetime) -> float:
        """Return its age in seconds."""
        return (now - (self.created_at or self.made_at)).total_seconds()
