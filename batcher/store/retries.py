"""Failed rows that are asked again, in SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from batcher.store.checkpoint import Checkpoint
from batcher.store.plans import begin_results
from batcher.store.queries import queries

_RETRYING = queries("retrying")


@dataclass(frozen=True, slots=True)
class Retries:
    """What asking failed rows again comes to.

    ``by_type`` has, for each error type, its rows and how many requests they are; a row that
    cannot be asked, or asks the same as another, is none of its own. ``worst_case_usd`` bounds one
    attempt of each, ``repairs_usd`` all that asking again with a complaint may add, and
    ``min_worst_case_usd`` is the least of the bounds. ``items`` are those sent.
    """

    by_type: dict[str, tuple[int, int]]
    to_send: int
    worst_case_usd: Decimal | None
    repairs_usd: Decimal
    min_worst_case_usd: Decimal | None
    items: Sequence[int]


def keep_other_form(checkpoint: Checkpoint) -> None:
    """Take the plan that was just made as what failed rows ask now; then plan the job as it is."""
    checkpoint.execute(_RETRYING["keep_plan"])


def find_retries(checkpoint: Checkpoint, only: Sequence[str]) -> Retries:
    """Find the failed rows, all or those of some error types or statuses; plan first."""
    begin_results(checkpoint)
    checkpoint.execute(_RETRYING["create_retries"], only=list(only))
    counted = checkpoint.rows(_RETRYING["count_retries"])
    sums: dict[str, Any] = checkpoint.row(_RETRYING["sum_retries"])
    items = checkpoint.table(_RETRYING["retried_items"]).column("item").to_pylist()
    by_type = {kind: (rows, sent) for kind, rows, sent in counted}
    return Retries(by_type, items=items, **sums)


def note_replacements(checkpoint: Checkpoint, run_id: str) -> None:
    """Remember which request answers for which from now on, before it is sent."""
    checkpoint.add(_RETRYING["note_replacements"], run_id=run_id)
