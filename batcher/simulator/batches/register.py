"""All batches of the organisation, by workspace, and their life from creation to deletion."""

from array import array
from dataclasses import dataclass, field
from typing import Any

from batcher.simulator.api_error import ApiError
from batcher.simulator.batches.batch import OUTCOMES, Batch, Submission
from batcher.simulator.batches.clock import BatchClock, rfc3339
from batcher.simulator.batches.duration import Durations
from batcher.simulator.batches.item import ItemProcessor
from batcher.simulator.batches.processing import Processing
from batcher.simulator.batches.spool import Records, Spool
from batcher.simulator.billing.ledger import exact
from batcher.simulator.model.seeded_random import SeededRandom

ORGANISATION_REFUSALS = {
    "hipaa": ("The Message Batches API is not available for HIPAA-enabled organizations.", None),
    "workspace_human_review_disabled": (
        "Message Batches are not available in a workspace in which human review is disabled.",
        "workspace_human_review_disabled",
    ),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of the batches; see ``Settings``."""

    queue_limit: int
    listed_after_s: float
    results_after_s: float
    cancel_rate: float
    refusal: str
    seed: int


@dataclass(slots=True)
class Batches:
    """The batches, oldest first; those that were deleted are kept for tests."""

    clock: BatchClock
    durations: Durations
    rules: Rules
    items: ItemProcessor
    spool: Spool = field(default_factory=Spool)
    all: dict[str, Batch] = field(default_factory=dict)
    processing: Processing = field(init=False)

    def __post_init__(self) -> None:
        self.processing = Processing(self.clock, self.items.process)

    def check_organisation(self) -> None:
        """Raise the 400 of an organisation or a workspace that may not use batches."""
        if self.rules.refusal:
            message, code = ORGANISATION_REFUSALS[self.rules.refusal]
            raise ApiError(400, message, code=code)

    def check_queue(self, requests: int) -> None:
        """Raise a 429 if the requests of a new batch do not fit into the processing queue."""
        waiting = sum(batch.waiting for batch in self.all.values())
        if waiting + requests > self.rules.queue_limit:
            raise ApiError(
                429,
                f"This request would exceed your organization's limit of {self.rules.queue_limit:,}"
                " batch requests in the processing queue.",
            )

    def add(self, submission: Submission) -> Batch:
        """Begin a batch."""
        count = len(submission.items)
        self.check_queue(count)
        number = len(self.all)
        batch = Batch(
            submission,
            number,
            self._shuffled(number, count),
            self.durations.draw(number, count),
            self.durations.floor_s,
            Records(self.spool),
            self.items.ledger.expect_items(count),
        )
        self.all[batch.id] = batch
        self.processing.add(batch)
        return batch

    def find(self, batch_id: str, workspace: str) -> Batch:
        """Return a batch that the workspace can see, or raise a 404."""
        batch = self.all.get(batch_id)
        if batch is None or batch.deleted_at is not None or batch.submission.workspace != workspace:
            raise ApiError(404, f"Message Batch {batch_id} not found.")
        return batch

    def newest_first(self, workspace: str) -> list[Batch]:
        """Return what a list of the workspace shows."""
        latest = self.clock.now() - self.rules.listed_after_s
        return [
            batch
            for batch in reversed(self.all.values())
            if batch.submission.workspace == workspace
            and batch.deleted_at is None
            and batch.created_at <= latest
        ]

    def cancel(self, batch: Batch) -> None:
        """Cancel what has not begun, as far as it can be interrupted."""
        if batch.ended_at is not None:
            raise ApiError(400, f"Message Batch {batch.id} has ended and cannot be canceled.")
        rate, seed = self.rules.cancel_rate, self.rules.seed

        def interrupts(index: int) -> bool:
            if rate in (0, 1):
                return bool(rate)
            return SeededRandom(seed, "interrupts", str(batch.number), str(index)).chance(rate)

        batch.cancel(self.clock.now(), interrupts)
        self.processing.reconsider(batch)

    def delete(self, batch: Batch) -> None:
        """Delete a batch that has ended."""
        if batch.ended_at is None:
            raise ApiError(
                400, f"Message Batch {batch.id} cannot be deleted before it has ended; cancel it."
            )
        batch.deleted_at = self.clock.now()

    def check_results(self, batch: Batch) -> None:
        """Raise a 404 if there are no results: not yet, or no longer."""
        now = self.clock.now()
        if batch.ended_at is None or now < batch.created_at + self.rules.results_after_s:
            raise ApiError(404, f"Message Batch {batch.id} has no results yet.")
        if now >= batch.archived_at:
            raise ApiError(404, f"The results of Message Batch {batch.id} were archived.")

    def _shuffled(self, number: int, count: int) -> "array[int]":
        order = array("L", range(count))
        random = SeededRandom(self.rules.seed, "batch order", str(number))
        for index in range(count - 1, 0, -1):
            other = random.below(index + 1)
            order[index], order[other] = order[other], order[index]
        return order

    def records(self) -> list[dict[str, Any]]:
        """Return what tests need to know about each batch, also of one that was deleted."""
        return [_record(batch) for batch in self.all.values()]


def _record(batch: Batch) -> dict[str, Any]:
    return {
        "id": batch.id,
        "workspace": batch.submission.workspace,
        "requests": len(batch.order),
        "processed": batch.done,
        "counts": {name: batch.counts[name] for name in OUTCOMES},
        "cost_usd": exact(batch.cost),
        "created_at": rfc3339(batch.created_at),
        "cancel_initiated_at": rfc3339(batch.cancel_initiated_at),
        "ended_at": rfc3339(batch.ended_at),
        "deleted_at": rfc3339(batch.deleted_at),
        "create_written": batch.is_create_written,
        "times_fetched": batch.times_fetched,
    }
