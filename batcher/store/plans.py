"""The planning pass in SQL, and the results: the input's items compared with the checkpoint."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from batcher.core.money.exact import product, total
from batcher.core.plan_counts import PlanCounts
from batcher.store.checkpoint import Checkpoint
from batcher.store.queries import queries
from batcher.store.records import PlanRecord, PrefixRecord

_PLANS = queries("plans")


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


def add_to_plan(
    checkpoint: Checkpoint,
    records: Sequence[PlanRecord],
    prefixes: Sequence[PrefixRecord] = (),
) -> None:
    """Add items, and the prefixes of their prompts, to the plan."""
    checkpoint.append("plan", records)
    checkpoint.append("prefixes", prefixes)


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


def find_answers(checkpoint: Checkpoint) -> None:
    """Find the outcome that answers each planned request at this moment."""
    checkpoint.execute(_PLANS["create_answered"])


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
    find_answers(checkpoint)
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


def items_of(checkpoint: Checkpoint, fingerprints: Collection[bytes]) -> list[int]:
    """Return the items that send the requests with these fingerprints."""
    names = [fingerprint.hex() for fingerprint in fingerprints]
    return [item for (item,) in checkpoint.rows(_PLANS["items_of"], fingerprints=names)]


def find_items(checkpoint: Checkpoint, row_id: str) -> list[dict[str, Any]]:
    """Return the plan's items of the row with this id."""
    rows: list[dict[str, Any]] = checkpoint.table(_PLANS["find_items"], id=row_id).to_pylist()
    return rows
