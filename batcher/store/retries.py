"""Failed rows that a retry sends again, in SQL."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from batcher.store.checkpoint import Checkpoint
from batcher.store.queries import queries
from batcher.store.results import begin_results

_RETRIES = queries("retries")

OLD_NAMES = {"client.fate_unknown": "client.billing_unknown"}
"""Error types that older versions showed, and their names now."""


@dataclass(frozen=True, slots=True)
class Retries:
    """The requests of a retry, and their cost at most.

    ``by_type`` has, for each error type, the number of failed rows and of requests to send: a row
    without a request, or with the same request as another row, adds none. ``pending`` rows wait in
    a batch: they are not sent, and not in ``by_type``. ``worst_case_usd`` is the
    most that one attempt of each request can cost, ``repairs_usd`` the most that repairs can add,
    and ``min_worst_case_usd`` the smallest worst case of a request. ``items`` are sent;
    ``failed_before`` has the errors of those that the API refused while it answered others.
    """

    by_type: dict[str, tuple[int, int]]
    to_send: int
    worst_case_usd: Decimal | None
    repairs_usd: Decimal
    min_worst_case_usd: Decimal | None
    items: Sequence[int]
    failed_before: Mapping[int, str]
    pending: int = 0


def keep_variant(checkpoint: Checkpoint) -> None:
    """Keep the plan just made as the variant that failed rows send; then plan the job itself."""
    checkpoint.execute(_RETRIES["keep_variant"])


def find_retries(checkpoint: Checkpoint, only: Sequence[str]) -> Retries:
    """Find the failed rows, all or those with some error types or statuses; plan first.

    Names of error types from older versions are accepted.
    """
    begin_results(checkpoint)
    wanted = [OLD_NAMES.get(name, name) for name in only]
    checkpoint.execute(_RETRIES["create_retries"], only=wanted)
    counts = checkpoint.rows(_RETRIES["count_retries"])
    sums: dict[str, Any] = checkpoint.row(_RETRIES["sum_retries"])
    errors = dict(checkpoint.rows(_RETRIES["retried_items"]))
    failed_before = {item: error for item, error in errors.items() if error is not None}
    by_type = {kind: (rows, sent) for kind, rows, sent in counts}
    ((pending,),) = checkpoint.rows(_RETRIES["count_pending"])
    return Retries(
        by_type, items=list(errors), failed_before=failed_before, pending=pending, **sums
    )


def open_retries(
    checkpoint: Checkpoint, run_id: str, given_up: Collection[bytes] = ()
) -> list[int]:
    """Return the items of the retry that are to be sent again: this run has no answer to them.

    Requests whose fingerprints are ``given_up`` are left out.
    """
    names = [fingerprint.hex() for fingerprint in given_up]
    rows = checkpoint.rows(_RETRIES["open_items"], run_id=run_id, given_up=names)
    return [item for (item,) in rows]


def record_replacements(checkpoint: Checkpoint, run_id: str) -> None:
    """Record which request replaces which, before it is sent."""
    checkpoint.add(_RETRIES["record_replacements"], run_id=run_id)
