"""One batch: its items in the order in which they begin, and what has become of them.

The times follow from its duration alone: its items begin one by one, evenly spread. An item that
has begun is billed and cannot be stopped; its result exists ``run_s`` later. One that could not
end in time never begins, and expires.
"""

from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from batcher.simulator.batches.clock import rfc3339
from batcher.simulator.batches.spool import Records

LIFETIME_S = 24 * 3_600.0
ARCHIVED_AFTER_S = 29 * 86_400.0
OUTCOMES = ("succeeded", "errored", "canceled", "expired")


@dataclass(frozen=True, slots=True)
class Submission:
    """What the client sent, and when: the items and the headers that hold for all of them."""

    id: str
    workspace: str
    created_at: float
    items: Records
    version: str
    betas: frozenset[str]


@dataclass(slots=True)
class Batch:
    """A batch and its state.

    ``number`` counts the batches; seeded choices depend on it, because ids are random.
    ``order`` has the indexes of the items in the order in which they begin; the first ``done`` are
    processed. Those from ``cancel_from`` to ``cancel_to`` in that order are canceled; the last
    ``never_begin`` expire, however early their turn came.
    ``first_sequence`` numbers the ledger's entries of the items. The last fields are for tests:
    whether the client has got its id, and how often it has read all results.
    """

    submission: Submission
    number: int
    order: "array[int]"
    duration_s: float
    run_s: float
    results: Records
    first_sequence: int = 1
    done: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    cost: Decimal = Decimal(0)
    cancel_initiated_at: float | None = None
    cancel_from: int = 0
    cancel_to: int = 0
    never_begin: int = 0
    ended_at: float | None = None
    deleted_at: float | None = None
    is_create_written: bool = False
    times_fetched: int = 0
    _last_result_at: float = 0.0

    @property
    def id(self) -> str:
        """The batch's id."""
        return self.submission.id

    @property
    def created_at(self) -> float:
        """When it was created."""
        return self.submission.created_at

    @property
    def expires_at(self) -> float:
        """When what has not begun expires."""
        return self.created_at + LIFETIME_S

    @property
    def archived_at(self) -> float:
        """When its results are removed."""
        return self.created_at + ARCHIVED_AFTER_S

    @property
    def waiting(self) -> int:
        """The number of items that are not yet processed."""
        return len(self.order) - self.done

    def next_time(self) -> float:
        """Return when the next item begins or ends without beginning, or when the batch ends."""
        if not self.waiting:
            return max(self._last_result_at, self.created_at, self.cancel_initiated_at or 0.0)
        position = self.done
        if self.is_canceled(position):
            return self.cancel_initiated_at or 0.0
        return self.expires_at if self.has_expired(position) else self._begins_at(position)

    def is_canceled(self, position: int) -> bool:
        """Whether the item at a position of the order was canceled before it began."""
        return self.cancel_from <= position < self.cancel_to

    def has_expired(self, position: int) -> bool:
        """Whether the item at a position of the order never begins."""
        if position >= len(self.order) - self.never_begin:
            return True
        return self._begins_at(position) + self.run_s > self.expires_at

    def leave_behind(self) -> None:
        """Let the item at the position ``done`` wait until it expires or is canceled."""
        self.order.append(self.order.pop(self.done))
        self.never_begin += 1

    def finish_item(self, outcome: str, time: float, line: bytes, cost: Decimal) -> None:
        """Record the result of the item at the position ``done``."""
        has_run = outcome in ("succeeded", "errored")
        self._last_result_at = max(self._last_result_at, time + self.run_s * has_run)
        self.results.append(line)
        self.counts[outcome] += 1
        self.cost += cost
        self.done += 1

    def cancel(self, now: float, interrupts: Callable[[int], bool]) -> None:
        """Cancel the items that have not begun and that can be interrupted."""
        if self.cancel_initiated_at is not None:
            return
        rest = self.order[self.done :]
        stopped = [index for index in rest if interrupts(index)]
        kept = [index for index in rest if not interrupts(index)]
        self.cancel_initiated_at = now
        self.cancel_from, self.cancel_to = self.done, self.done + len(stopped)
        self.order = array("L", [*self.order[: self.done], *stopped, *kept])
        self.never_begin = 0

    def _begins_at(self, position: int) -> float:
        turn = position + 1 - (self.cancel_to - self.cancel_from)
        return self.created_at + self.duration_s * turn / len(self.order)

    def as_json(self, now: float, url: str) -> dict[str, Any]:
        """Return the API's MessageBatch; ``url`` is that of the batch."""
        has_ended = self.ended_at is not None
        is_archived = has_ended and now >= self.archived_at
        counts = {name: self.counts[name] if has_ended else 0 for name in OUTCOMES}
        status = "in_progress" if self.cancel_initiated_at is None else "canceling"
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": "ended" if has_ended else status,
            "request_counts": {"processing": 0 if has_ended else len(self.order), **counts},
            "ended_at": rfc3339(self.ended_at),
            "created_at": rfc3339(self.created_at),
            "expires_at": rfc3339(self.expires_at),
            "archived_at": rfc3339(self.archived_at if is_archived else None),
            "cancel_initiated_at": rfc3339(self.cancel_initiated_at),
            "results_url": f"{url}/results" if has_ended and not is_archived else None,
        }
