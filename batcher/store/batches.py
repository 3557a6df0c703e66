"""Message Batches in SQL: intents, events, what waits in them, and how they ended."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa

from batcher.store.checkpoint import Checkpoint
from batcher.store.queries import queries
from batcher.store.received_bodies import with_bodies
from batcher.store.records import BatchEvent, BatchItem, BatchRecord, Intent

_BATCHES = queries("batches")

BatchState = Literal[
    "unconfirmed", "absent", "created", "canceling", "ended", "fetched", "lost", "deleted"
]
"""The state of a batch; views.sql says what each means."""


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch with its state; ``id`` is None as long as the API's id is not known.

    ``answered`` of its requests have an outcome, ``pending`` wait for one, and the billing status
    of ``unknown`` is not known. ``worst_usd`` is the most that the pending ones can cost, None
    without a bound; ``usd`` is what the others cost, as far as it is known.
    """

    record: BatchRecord
    id: str | None
    state: BatchState
    created_at: datetime | None
    cancel_at: datetime | None
    ended_at: datetime | None
    fetched_at: datetime | None
    answered: int
    pending: int
    unknown: int
    worst_usd: Decimal | None
    usd: Decimal


def next_batch(checkpoint: Checkpoint) -> int:
    """Return the first number of a batch that was never used."""
    ((batch,),) = checkpoint.rows(_BATCHES["next_batch"])
    return int(batch)


def begin_batch(
    checkpoint: Checkpoint,
    record: BatchRecord,
    intents: Sequence[Intent],
    items: Sequence[BatchItem],
) -> None:
    """Make it durable, in one transaction, that a batch with these attempts may be created.

    Call it before the create request. Each attempt has one item, in the same order.
    """
    ids = [item.attempt_id for item in items if item.batch == record.batch]
    if ids != [intent.attempt_id for intent in intents] or len(ids) != record.requests:
        raise ValueError("a batch has one attempt and one item for each of its requests")
    checkpoint.commit({"batches": [record], "attempts": intents, "batch_items": items})
    checkpoint.checkpoint_if_due()


def add_event(checkpoint: Checkpoint, event: BatchEvent) -> None:
    """Record an event of a batch; "fetched" only after the outcomes of all its results."""
    checkpoint.commit({"batch_events": [event]})


def stored_batches(checkpoint: Checkpoint) -> list[StoredBatch]:
    """Return every batch, oldest first."""
    return [_stored(row) for row in checkpoint.table(_BATCHES["stored"]).to_pylist()]


def has_open_batches(checkpoint: Checkpoint) -> bool:
    """Return whether a batch is not done with: its results are neither recorded nor lost."""
    ((open_batches,),) = checkpoint.rows(_BATCHES["count_open"])
    return bool(open_batches)


def waiting_items(checkpoint: Checkpoint, batch: int, since: datetime | None = None) -> pa.Table:
    """Return the attempts of a batch without an outcome; the columns are those of batches.sql.

    ``fingerprint`` has 16 bytes. ``is_in_budget`` tells whether ``spent_money(since)`` counts the
    attempt, so that a budget per day is only settled for what it has reserved.
    """
    text = None if since is None else since.isoformat()
    return checkpoint.table(_BATCHES["waiting"], batch=batch, since=text)


def invalid_answers(
    checkpoint: Checkpoint, fingerprints: Sequence[bytes]
) -> dict[bytes, list[bytes]]:
    """Return the invalid answers to some requests that a repair quotes, oldest first.

    Those before the last final outcome of a request do not count: a retry starts again.
    """
    names = [fingerprint.hex() for fingerprint in fingerprints]
    table = checkpoint.table(_BATCHES["invalid_answers"], fingerprints=names)
    answers = defaultdict(list)
    for row in with_bodies(checkpoint, table).to_pylist():
        answers[row["fingerprint"]].append(row["body"])
    return dict(answers)


@dataclass(frozen=True, slots=True)
class CacheUse:
    """How batches used the prompt cache: their answers, how many used it, and the tokens."""

    answers: int
    used: int
    reads: int
    writes: int


def cache_use(checkpoint: Checkpoint, batches: Sequence[int]) -> CacheUse:
    """Return how the answers of some batches used the prompt cache."""
    return CacheUse(**checkpoint.row(_BATCHES["cache_use"], batches=list(batches)))


def first_of_prefixes(checkpoint: Checkpoint, items: Sequence[int]) -> list[int]:
    """Return the first of these items for each prefix worth caching; plan first."""
    with checkpoint.named_table("chosen", pa.table({"item": pa.array(items, pa.int64())})):
        return [item for (item,) in checkpoint.rows(_BATCHES["first_of_prefixes"])]


def ended_durations(checkpoint: Checkpoint) -> list[tuple[int, float]]:
    """Return the requests and the seconds of every batch that ended and was not cancelled."""
    return checkpoint.rows(_BATCHES["durations"])


def _stored(row: dict[str, Any]) -> StoredBatch:
    own = {field.name for field in fields(BatchRecord)}
    record = BatchRecord(**{name: row[name] for name in own})
    return StoredBatch(record, **{name: row[name] for name in row.keys() - own})
