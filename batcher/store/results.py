"""The results of a plan in SQL: each item of the input with the outcome that answers it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from batcher.core.money.display import exact_text
from batcher.store.checkpoint import Checkpoint
from batcher.store.plans import find_answers
from batcher.store.queries import queries
from batcher.store.received_bodies import with_bodies

_RESULTS = queries("results")
_STEP_ITEMS = 100_000


NOT_SENT = "client.not_sent"
"""The error type of a row whose request has not been sent."""

IN_BATCH = "client.in_batch"
"""The error type of a row whose request waits in a batch."""


@dataclass(frozen=True, slots=True)
class RunSums:
    """Sums of a run: attempts, tokens and USD of the run and of the whole checkpoint, and rows.

    ``requests`` is how many requests the run sent, without those that wait in a batch.
    ``latency_s`` has percentiles of the responses' latency and speed, ``models`` the number of
    responses by model, and ``errors`` the failed rows by error type, with an example. ``collected``
    is what the run received for batches of earlier runs.
    """

    run: dict[str, Any]
    requests: int
    checkpoint: dict[str, Any]
    by_status: dict[str, int]
    latency_s: dict[str, float | None]
    models: dict[str, int]
    errors: list[dict[str, Any]]
    collected: dict[str, Any]


def begin_results(checkpoint: Checkpoint) -> None:
    """Find the attempt that answers each item at this moment; plan first."""
    find_answers(checkpoint)
    checkpoint.execute(_RESULTS["create_results"])
    ((items,),) = checkpoint.rows(_RESULTS["count_items"])
    for first in range(0, items, _STEP_ITEMS):
        checkpoint.execute(_RESULTS["add_results"], first=first, last=first + _STEP_ITEMS - 1)


def results_digest(checkpoint: Checkpoint) -> str:
    """Return a digest of the results: equal digests mean equal bookkeeping columns."""
    ((digest,),) = checkpoint.rows(_RESULTS["digest"])
    return str(digest)


def read_results(checkpoint: Checkpoint, first: int, last: int) -> pa.Table:
    """Return the results of items ``first`` to ``last``, in order; columns as in results.sql."""
    table = checkpoint.table(_RESULTS["read_results"], first=first, last=last)
    return with_bodies(checkpoint, table)


def body_bytes(checkpoint: Checkpoint, first: int, last: int) -> int:
    """Return the size of the response bodies of items ``first`` to ``last``, in bytes."""
    ((size,),) = checkpoint.rows(_RESULTS["body_bytes"], first=first, last=last)
    return int(size)


def failures(checkpoint: Checkpoint, allowance: int) -> list[dict[str, Any]]:
    """Return groups of rows that did not succeed, largest first; ``allowance`` as in a comparison.

    What was never sent comes last.
    """
    table = checkpoint.table(_RESULTS["failures"], allowance=allowance)
    groups: list[dict[str, Any]] = table.to_pylist()
    return groups


def failure_messages(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    """Return the most frequent messages of each group of ``failures``, the largest first.

    ``messages`` is how many different ones the group has.
    """
    rows: list[dict[str, Any]] = checkpoint.table(_RESULTS["failure_messages"]).to_pylist()
    return rows


def count_statuses(checkpoint: Checkpoint) -> dict[str, int]:
    """Count the items by status; ``unsent`` is the status of items that were never sent."""
    return dict(checkpoint.rows(_RESULTS["count_statuses"]))


@dataclass(frozen=True, slots=True)
class OpenItems:
    """Items without a final result.

    Another run sends those ``to_send``, and only a retry those ``on_hold``. The ``pending`` ones
    wait in a batch, and a run collects their results.
    """

    to_send: int
    on_hold: int
    pending: int


def count_open(checkpoint: Checkpoint, allowance: int) -> OpenItems:
    """Count the items without a final result; ``allowance`` is that of ``InputComparison``."""
    return OpenItems(**checkpoint.row(_RESULTS["count_open"], allowance=allowance))


def output_totals(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the exact sums of the output's columns: USD as text, tokens as integers."""
    row = checkpoint.row(_RESULTS["output_totals"])
    return {**row, "cost_usd": exact_text(row["cost_usd"])}


def totals(checkpoint: Checkpoint, run_id: str | None = None) -> dict[str, Any]:
    """Return the attempts, tokens and USD of one run, or of all.

    In steps, because joining all attempts at once would need memory for all of them.
    """
    ((last,),) = checkpoint.rows(_RESULTS["last_attempt"])
    sums: dict[str, Any] = {}
    for first in range(0, last + 1, _STEP_ITEMS):
        step = checkpoint.row(
            _RESULTS["totals"], run_id=run_id, first=first, last=first + _STEP_ITEMS - 1
        )
        sums = {name: value + sums.get(name, 0) for name, value in step.items()}
    return sums


def count_requests(checkpoint: Checkpoint, run_id: str) -> int:
    """Return how many requests a run sent, without those that wait in a batch."""
    ((requests,),) = checkpoint.rows(_RESULTS["count_requests"], run_id=run_id)
    return int(requests)


def sum_up(
    checkpoint: Checkpoint, run_id: str, allowance: int, *, has_results: bool = True
) -> RunSums:
    """Sum up a run and the whole checkpoint; call ``begin_results`` first.

    Without results, as after a failed write, rows are not counted.
    """
    groups = failures(checkpoint, allowance) if has_results else []
    return RunSums(
        run=totals(checkpoint, run_id),
        requests=count_requests(checkpoint, run_id),
        checkpoint=totals(checkpoint),
        by_status=count_statuses(checkpoint) if has_results else {},
        latency_s=checkpoint.row(_RESULTS["latencies"], run_id=run_id),
        models=dict(checkpoint.rows(_RESULTS["models"], run_id=run_id)),
        collected=checkpoint.row(_RESULTS["collected"], run_id=run_id),
        errors=[
            {"type": group["error_type"], "rows": group["rows"], "example_id": group["example_id"]}
            for group in groups
            if group["error_type"] not in (NOT_SENT, IN_BATCH)
        ],
    )


def has_message(checkpoint: Checkpoint, ids: Sequence[str]) -> bool:
    """Return whether one of these messages is recorded."""
    ((has_one,),) = checkpoint.rows(_RESULTS["has_message"], ids=list(ids))
    return bool(has_one)


def attempts_of(checkpoint: Checkpoint, fingerprint: bytes) -> list[dict[str, Any]]:
    """Return all attempts of one request and its replacements, oldest first."""
    table = checkpoint.table(_RESULTS["attempts_of"], fingerprint=fingerprint.hex())
    rows: list[dict[str, Any]] = with_bodies(checkpoint, table).to_pylist()
    return rows
