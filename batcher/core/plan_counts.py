"""Counts what a run would do, before it does anything."""

from dataclasses import dataclass

from pydantic import computed_field

from batcher.core.json_form import JsonRecord
from batcher.core.money.display import Usd


@dataclass(frozen=True, slots=True)
class PlanCounts(JsonRecord):
    """The counts of the planning line.

    Each item is one of: already answered, to send, shared, bad, skipped, on hold, pending. An item
    to send was attempted before, is changed, or is new.
    """

    rows: int
    items: int
    """The answers that the input asks for: rows times samples."""
    already_answered: int
    """Items whose response is in the checkpoint."""
    to_send: int
    shared: int
    """Items whose request an earlier row makes, too."""
    bad: int
    """Items whose row cannot be read or makes no request."""
    skipped: int
    """Items whose prompt is empty."""
    on_hold: int
    """Items that have too many attempts with an unknown billing status."""
    attempted_before: int
    """Items to send that had an attempt in an earlier run."""
    changed: int
    """Items to send whose row made another request when it was last seen."""
    redone: int
    """Items to send that have an answer: the job makes their requests differently now."""
    removed: int
    """Rows of an earlier input that are no longer there."""
    worst_case_usd: Usd | None
    """The most that sending can cost if every permitted attempt is billed; null without a bound."""
    min_worst_case_usd: Usd | None
    """The smallest bound of a single attempt; null without a bound."""
    pending: int = 0
    """Items whose request waits in a batch."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def new(self) -> int:
        """Items to send that no earlier run has seen."""
        return self.to_send - self.attempted_before - self.changed
