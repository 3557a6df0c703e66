"""What the simulator's ledger and a checkpoint say about the same job."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from batcher.core.batches.custom_id import attempt_of

PROMISES = (
    "rows_without_answer",
    "answers_that_differ",
    "items_paid_twice",
    "rows_paid_both_ways",
    "rows_answered_twice",
    "items_not_recorded",
    "items_unknown",
    "batches_unknown",
    "batches_of_nobody",
    "usd_off",
    "budget_passed",
)
"""What must be 0 after any number of kills."""

_DONE = {"fetched", "absent", "deleted"}
_STATES = """
SELECT CASE WHEN list_contains(events, 'deleted') THEN 'deleted'
            WHEN list_contains(events, 'fetched') THEN 'fetched'
            WHEN list_contains(events, 'lost') THEN 'lost'
            WHEN list_contains(events, 'created') THEN 'created'
            WHEN list_contains(events, 'absent') THEN 'absent'
            ELSE 'unconfirmed' END, count(*)
FROM batches LEFT JOIN (SELECT batch, list(event) AS events FROM batch_events GROUP BY batch)
USING (batch) GROUP BY ALL
"""
_RECORDED = "SELECT attempt_id, request_id, cost_usd FROM outcomes WHERE billing = 'billed'"
_ANSWERED_TWICE = "SELECT count(*) - count(DISTINCT fingerprint) FROM outcomes WHERE is_final"
_UNKNOWN_ITEMS = """
SELECT count(*) FROM batch_items i LEFT JOIN outcomes o USING (attempt_id)
LEFT JOIN (SELECT batch FROM batch_events WHERE event = 'absent') a USING (batch)
WHERE a.batch IS NULL AND (o.attempt_id IS NULL OR o.billing = 'unknown')
"""


@dataclass(frozen=True)
class Evidence:
    """The billed entries of the ledger, and the records of the checkpoint about them.

    ``recorded`` has the cost of each billed attempt, ``request_ids`` those of live ones.
    """

    billed: Sequence[dict[str, Any]]
    markers: Sequence[str]
    ids: Sequence[str]
    run_ids: dict[int, str]
    states: Counter[str]
    recorded: dict[int, Decimal]
    request_ids: set[str | None]
    answered_twice: int
    unknown_items: int

    @classmethod
    def read(cls, checkpoint: Path, entries: Sequence[dict[str, Any]]) -> "Evidence":
        """Read a checkpoint that no process has open."""
        with duckdb.connect(str(checkpoint), read_only=True) as db:
            outcomes = db.execute(_RECORDED).fetchall()
            names = db.execute("SELECT id FROM batch_events WHERE event = 'created'").fetchall()
            return cls(
                [entry for entry in entries if entry["usage"] is not None],
                [marker for (marker,) in db.execute("SELECT marker FROM batches").fetchall()],
                [name for (name,) in names],
                dict(db.execute("SELECT batch, run_id FROM batches").fetchall()),
                Counter(dict(db.execute(_STATES).fetchall())),
                {attempt: usd for attempt, _, usd in outcomes},
                {request_id for _, request_id, _ in outcomes},
                db.execute(_ANSWERED_TWICE).fetchone()[0],
                db.execute(_UNKNOWN_ITEMS).fetchone()[0],
            )

    @cached_property
    def items(self) -> list[dict[str, Any]]:
        """The billed items of batches."""
        return [entry for entry in self.billed if "batch_id" in entry]

    @cached_property
    def live(self) -> list[dict[str, Any]]:
        """The billed live requests."""
        return [entry for entry in self.billed if "batch_id" not in entry]

    @property
    def live_unrecorded(self) -> list[dict[str, Any]]:
        """The live answers that a kill has lost."""
        return [entry for entry in self.live if entry["request_id"] not in self.request_ids]

    @property
    def billed_usd(self) -> Decimal:
        """All that the simulator has billed."""
        return _sum(self.billed)

    @property
    def recorded_usd(self) -> Decimal:
        """What the bill must say: all that was billed, but for live answers lost in a kill."""
        return self.billed_usd - _sum(self.live_unrecorded)

    def broken(self, made: Sequence[dict[str, Any]]) -> dict[str, int]:
        """Count broken promises; ``made`` are the batches by the simulator's own record."""
        by_batch = Counter(entry["key"] for entry in self.items)
        lost = [entry for entry in self.items if self._attempt(entry) not in self.recorded]
        return {
            "items_paid_twice": by_batch.total() - len(by_batch),
            "rows_paid_both_ways": len(by_batch.keys() & {entry["key"] for entry in self.live}),
            "rows_answered_twice": self.answered_twice,
            "items_not_recorded": len(lost),
            "items_unknown": self.unknown_items,
            "batches_unknown": sum(n for state, n in self.states.items() if state not in _DONE),
            "batches_of_nobody": len({batch["id"] for batch in made} ^ set(self.ids)),
        }

    def _attempt(self, entry: dict[str, Any]) -> int | None:
        found = (attempt_of(entry["custom_id"], marker) for marker in self.markers)
        return next((attempt for attempt in found if attempt is not None), None)


def _sum(entries: Sequence[dict[str, Any]]) -> Decimal:
    return sum((Decimal(entry["cost_usd"]) for entry in entries), Decimal(0))
