"""The planning pass in SQL, and the results: the input's items compared with the checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from batcher.core.money.display import exact_text
from batcher.core.money.exact import product, total
from batcher.core.plan_counts import PlanCounts
from batcher.store.checkpoint import Checkpoint
from batcher.store.queries import queries
from batcher.store.records import PlanRecord, PrefixRecord, unpacked

_PLANS = queries("plans")
_RESULTS = queries("results")


NOT_SENT = "client.not_sent"
"""The error type of a row whose request has not been sent."""

IN_BATCH = "client.in_batch"
"""The error type of a row whose request waits in a batch."""


@dataclass(frozen=True, slots=True)
class RunSums:
    """Sums of a run: attempts, tokens and USD of the run and of the whole checkpoint, and rows.

    ``latency_s`` has percentiles of the responses' latency and speed, ``models`` the number of
    responses by model, and ``errors`` the failed rows by error type, with an example.
    """

    run: dict[str, Any]
    checkpoint: dict[str, Any]
    by_status: dict[str, int]
    latency_s: dict[str, float | None]
    models: dict[str, int]
    errors: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class InputComparison:
    """How to compare an input with the checkpoint.

    ``allowance`` is ``retry.unknown_attempts``. ``has_ids``: rows are recognized by their ids, else
    by their content. ``coverage`` names the columns of the content, in 16 bytes. ``keeps_answers``:
    a row whose request changed only because the job changed keeps its answer. ``is_part``: the
    input is only a part, so rows that are not in it do not count as removed.
    """

    allowance: int
    has_ids: bool
    coverage: bytes
    keeps_answers: bool
    is_part: bool


def begin_plan(checkpoint: Checkpoint) -> None:
    """Create an empty plan; it exists as long as the connection."""
    checkpoint.execute(_PLANS["create_plan"])
    checkpoint.execute(_PLANS["create_prefixes"])


def add_to_plan(checkpoint: Checkpoint, records: Sequence[PlanRecord]) -> None:
    """Add items to the plan."""
    checkpoint.append("plan", records)


def add_prefixes(checkpoint: Checkpoint, records: Sequence[PrefixRecord]) -> None:
    """Add the prefixes of prompts to the plan."""
    checkpoint.append("prefixes", records)


def mark_duplicate_ids(checkpoint: Checkpoint, files: Sequence[str]) -> None:
    """Remove the request of each row with the id of an earlier row that makes another request.

    The reason names the earlier row. Identical rows, as in overlapping files, share one answer.
    """
    duplicates = checkpoint.rows(_PLANS["duplicate_ids"])
    if duplicates:
        reasons = [f"the id is the same as in {files[file]}:{line}" for _, file, line in duplicates]
        marks = pa.table({"item": [item for item, _, _ in duplicates], "reason": reasons})
        checkpoint.with_table("marks", marks, _PLANS["mark_bad"])


def finish_plan(checkpoint: Checkpoint, comparison: InputComparison) -> PlanCounts:
    """Compare the plan with the checkpoint."""
    ((items,),) = checkpoint.rows("SELECT count(*) FROM plan")
    checkpoint.raise_memory_limit(items=items)
    coverage = comparison.coverage.hex()
    checkpoint.execute(_PLANS["create_seen"], has_ids=comparison.has_ids, coverage=coverage)
    return _compare(checkpoint, comparison)


def refresh_plan(checkpoint: Checkpoint, comparison: InputComparison) -> PlanCounts:
    """Compare the finished plan again, after more outcomes were recorded; reads no input."""
    if comparison.keeps_answers:
        checkpoint.execute(_PLANS["undo_kept"])
    return _compare(checkpoint, comparison)


def _compare(checkpoint: Checkpoint, comparison: InputComparison) -> PlanCounts:
    checkpoint.execute(_PLANS["create_kept"])
    redone = 0
    if comparison.keeps_answers:
        checkpoint.execute(_PLANS["keep_redone"])
    else:
        ((redone,),) = checkpoint.rows(_PLANS["count_redone"])
    if not comparison.has_ids:
        coverage = comparison.coverage.hex()
        ((unmatched,),) = checkpoint.rows(_PLANS["count_unmatched"], coverage=coverage)
        redone += unmatched
    checkpoint.execute(_PLANS["create_answered"])
    counts = checkpoint.row(_PLANS["count_plan"], allowance=comparison.allowance)
    ((removed,),) = checkpoint.rows(_PLANS["count_removed"])
    removed = 0 if comparison.is_part else removed
    worst, least = _worst_cases(checkpoint, comparison.allowance)
    return PlanCounts(
        **counts, redone=redone, removed=removed, worst_case_usd=worst, min_worst_case_usd=least
    )


def _worst_cases(checkpoint: Checkpoint, allowance: int) -> tuple[Decimal | None, Decimal | None]:
    """Return the most that sending the plan can cost, and the smallest worst case of an attempt.

    Both are in USD, and None when a request has no bound. A request is sent until it has an answer
    or ``allowance`` attempts with unknown billing status. Repairs of invalid answers are included.
    """
    groups = checkpoint.rows(_PLANS["worst_cases"], allowance=allowance)
    if any(is_unbounded for *_, is_unbounded in groups):
        return None, None
    worst = total(
        total([product(usd, allowance - unknown), repairs]) for unknown, usd, repairs, *_ in groups
    )
    return worst, min((least for *_, least, _ in groups), default=None)


def record_rows_seen(checkpoint: Checkpoint, comparison: InputComparison) -> None:
    """Record the input's requests for the next comparison; plan first."""
    checkpoint.add(
        _PLANS["record_rows_seen"],
        coverage=comparison.coverage.hex(),
        is_part=comparison.is_part,
    )


def items_to_send(checkpoint: Checkpoint, allowance: int) -> pa.Table:
    """Return the items to send (column ``item``), with counts of their earlier attempts.

    ``unknown_attempts`` have an unknown billing status, ``repairs`` brought an invalid answer.
    ``failed_before`` is not null when the last one failed in a way that is not transient.
    """
    return checkpoint.table(_PLANS["to_send"], allowance=allowance)


@dataclass(frozen=True, slots=True)
class SharedPrefixes:
    """The prefixes that the items to send share.

    ``marks`` has the items to mark for the cache, and the sum of their levels. ``groups`` is the
    number of groups by longest prefix, and ``span`` the largest distance within a group, in items.
    """

    marks: pa.Table
    groups: int
    span: int


def shared_prefixes(
    checkpoint: Checkpoint, items: Sequence[int] | pa.Array, *, min_uses: int, window: int
) -> SharedPrefixes:
    """Find the prefixes that at least ``min_uses`` items use.

    On average these items are at most ``window`` items apart. Make the plan first.
    """
    checkpoint.with_table("items", pa.table({"item": items}), _PLANS["create_sends"])
    checkpoint.execute(_PLANS["create_shared"], min_uses=min_uses, window=window)
    found = checkpoint.row(_PLANS["groups"])
    return SharedPrefixes(checkpoint.table(_PLANS["marks"]), **found)


def bad_rows(checkpoint: Checkpoint, limit: int) -> list[tuple[int, int, str, int]]:
    """Return the first reasons of bad rows: file index and line of the first, reason, number."""
    return checkpoint.rows(_PLANS["bad_rows"], n=limit)


def begin_results(checkpoint: Checkpoint) -> None:
    """Find the attempt that answers each item at this moment; plan first."""
    checkpoint.execute(_PLANS["create_answered"])
    checkpoint.execute(_RESULTS["create_results"])


def results_digest(checkpoint: Checkpoint) -> str:
    """Return a digest of the results: equal digests mean equal bookkeeping columns."""
    ((digest,),) = checkpoint.rows(_RESULTS["digest"])
    return str(digest)


def read_results(checkpoint: Checkpoint, first: int, last: int) -> pa.Table:
    """Return the results of items ``first`` to ``last``, in order; columns as in results.sql."""
    table = checkpoint.table(_RESULTS["read_results"], first=first, last=last)
    sizes, bodies = table.column("body_bytes").to_pylist(), table.column("body").to_pylist()
    originals = pa.array(map(unpacked, bodies, sizes), pa.binary())
    return table.set_column(table.schema.get_field_index("body"), "body", originals)


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
    """Return the attempts, tokens and USD of one run, or of all."""
    return checkpoint.row(_RESULTS["totals"], run_id=run_id)


def sum_up(
    checkpoint: Checkpoint, run_id: str, allowance: int, *, has_results: bool = True
) -> RunSums:
    """Sum up a run and the whole checkpoint; call ``begin_results`` first.

    Without results, as after a failed write, rows are not counted.
    """
    groups = failures(checkpoint, allowance) if has_results else []
    return RunSums(
        run=totals(checkpoint, run_id),
        checkpoint=totals(checkpoint),
        by_status=count_statuses(checkpoint) if has_results else {},
        latency_s=checkpoint.row(_RESULTS["latencies"], run_id=run_id),
        models=dict(checkpoint.rows(_RESULTS["models"], run_id=run_id)),
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
    rows: list[dict[str, Any]] = checkpoint.table(
        _RESULTS["attempts_of"], fingerprint=fingerprint.hex()
    ).to_pylist()
    return [{**row, "body": unpacked(row["body"], row["body_bytes"])} for row in rows]


def find_items(checkpoint: Checkpoint, row_id: str) -> list[dict[str, Any]]:
    """Return the plan's items of the row with this id."""
    rows: list[dict[str, Any]] = checkpoint.table(_PLANS["find_items"], id=row_id).to_pylist()
    return rows
