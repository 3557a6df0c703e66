"""Random Message Batches around the attempts of a checkpoint, and a model of what they mean."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, get_args

from hypothesis import strategies as st
from sample_records import NOW

from batcher.store.checkpoint import Checkpoint
from batcher.store.records import BatchEvent, BatchEventName, BatchItem, BatchRecord

LIVES: list[tuple[BatchEventName, ...]] = [
    (), ("absent",), ("created",), ("created", "cancel"), ("created", "ended"),
    ("absent", "created"), ("created", "cancel", "ended"), ("created", "ended", "fetched"),
    ("created", "lost"), ("created", "cancel", "ended", "fetched", "deleted"),
    ("created", "lost", "fetched"),
]  # fmt: skip
"""The events of a batch, in their order."""
STATES = [
    "unconfirmed", "absent", "created", "canceling", "ended", "created",
    "ended", "fetched", "lost", "deleted", "fetched",
]  # fmt: skip
"""The state after each of ``LIVES``."""

_OVER = {"fetched", "lost", "deleted"}
_AT_THE_API = {"created", "cancel", "ended"}


def batch_record(batch: int, requests: int = 1, **changes: Any) -> BatchRecord:
    """The record of a batch."""
    fields: dict[str, Any] = {
        "run_id": "run", "marker": f"marker{batch:06}", "body_bytes": 1000, "key_digest": "k",
        "newest_id": None, "cache_ttl": None, "made_at": NOW,
    }  # fmt: skip
    return BatchRecord(batch, requests=requests, **(fields | changes))


def event(batch: int, name: BatchEventName, seconds: float = 0) -> BatchEvent:
    """An event of a batch, ``seconds`` after it was made; a created one has an id."""
    assert name in get_args(BatchEventName)
    has_id = name == "created"
    return BatchEvent(
        batch, name, f"msgbatch_{batch}" if has_id else None, NOW + timedelta(seconds=seconds)
    )


@dataclass(frozen=True)
class Batches:
    """Batches by number: their events, and the batch of each attempt that is in one."""

    lives: dict[int, tuple[BatchEventName, ...]] = field(default_factory=dict)
    batch_of: dict[int, int] = field(default_factory=dict)

    def groups(self) -> dict[str, Sequence[Any]]:
        """Return all their records."""
        members = list(self.batch_of.values())
        return {
            "batches": [batch_record(n, members.count(n)) for n in self.lives],
            "batch_items": [BatchItem(a, n, 100, None) for a, n in self.batch_of.items()],
            "batch_events": [
                event(number, name, second)
                for number, names in self.lives.items()
                for second, name in enumerate(names)
            ],
        }

    def load(self, checkpoint: Checkpoint) -> None:
        """Replace all batches of a checkpoint by these."""
        for table, records in self.groups().items():
            checkpoint.execute(f"DELETE FROM {table}")
            checkpoint.commit({table: records})

    def state(self, attempt_id: int) -> str | None:
        """Return ``absent`` or ``pending`` for an attempt without an outcome; else None."""
        if attempt_id not in self.batch_of:
            return None
        events = set(self.lives[self.batch_of[attempt_id]])
        if events & _OVER:
            return None
        return "absent" if "absent" in events and not events & _AT_THE_API else "pending"


@st.composite
def batches(draw: st.DrawFn, attempts: Sequence[int]) -> Batches:
    """Generate batches that some of these attempts are in."""
    lives = draw(st.lists(st.sampled_from(LIVES), max_size=3))
    places = st.none() | st.integers(1, len(lives)) if lives else st.none()
    drawn = {attempt_id: draw(places) for attempt_id in attempts}
    return Batches(
        dict(enumerate(lives, 1)), {a: batch for a, batch in drawn.items() if batch is not None}
    )
