"""Counts what a run would do, before it does anything."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """The counts of the planning line.

    ``items`` are the answers that the input asks for (rows x samples). Each item is one of:
    ``already_answered`` (the checkpoint has its response), ``to_send``, ``shared`` (an earlier row
    makes the same request), ``bad``, ``skipped`` (an empty prompt), ``on_hold`` (too many of its
    attempts have an unknown billing status). Of the items to send, ``attempted_before`` had an
    attempt in an earlier run, ``changed`` made another request when they were last seen, and the
    rest is ``new``. ``redone`` counts items to send that have an answer, and are sent only because
    the job makes its requests differently now. ``removed`` counts rows of an earlier input that
    are no longer there. ``worst_case_usd`` bounds the cost of sending, also when every permitted
    attempt of every request is billed. ``min_worst_case_usd`` is the smallest bound of a single
    attempt. Both are None when nothing bounds them.
    """

    rows: int
    items: int
    already_answered: int
    to_send: int
    shared: int
    bad: int
    skipped: int
    on_hold: int
    attempted_before: int
    changed: int
    redone: int
    removed: int
    worst_case_usd: Decimal | None
    min_worst_case_usd: Decimal | None

    @property
    def new(self) -> int:
        """Items to send that no earlier run has seen."""
        return self.to_send - self.attempted_before - self.changed
