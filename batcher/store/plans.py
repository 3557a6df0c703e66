"""The planning pass in SQL: what the input asks for, against what the checkpoint has."""

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

_PLANNING = queries("planning")
_RESULTS = queries("results")


NOT_SENT = "client.not_sent"
"""The error type of a row whose request has not been sent."""


@dataclass(frozen=True, slots=True)
class RunSums:
    """What a run came to: attempts, tokens and dollars of it and of all runs, and the rows.

    ``latency_s`` has the percentiles p50, p95 and p99 of its answers; ``models`` counts the answers
    of each model; ``errors`` counts the rows without a good answer by type, each with an example.
    """

    run: dict[str, Any]
    checkpoint: dict[str, Any]
    by_status: dict[str, int]
    latency_s: dict[str, float | None]
    models: dict[str, int]
    errors: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class InputComparison:
    """How an input is held against what is recorded.

    ``allowance`` is ``retry.unknown_attempts``. ``has_ids`` says that rows are known again by their
    ids, else by their content; ``coverage`` names the columns which that is made of, in 16 bytes.
    ``keeps_answers``: a row that would ask anew only because the job changed keeps its answer.
    ``is_part``: the input is only a part, so that what is not in it is not removed.
    """

    allowance: int
    has_ids: bool
    coverage: bytes
    keeps_answers: bool
    is_part: bool


def begin_plan(checkpoint: Checkpoint) -> None:
    """Start an empty plan; it lives as long as the connection."""
    checkpoint.execute(_PLANNING["create_plan"])
    checkpoint.execute(_PLANNING["create_prefixes"])


def add_to_plan(checkpoint: Checkpoint, records: Sequence[PlanRecord]) -> None:
    """Add what some rows ask for."""
    checkpoint.append("plan", records)


def add_prefixes(checkpoint: Checkpoint, records: Sequence[PrefixRecord]) -> None:
    """Add what their prompts begin with."""
    checkpoint.append("prefixes", records)


def mark_duplicate_ids(checkpoint: Checkpoint, files: Sequence[str]) -> None:
    """Take the request from every row with the id of an earlier one that asks something else.

    The reason names that row. The same row twice, as in overlapping files, shares its answer.
    """
    found = checkpoint.rows(_PLANNING["duplicate_ids"])
    if found:
        reasons = [f"the id is also that of {files[file]}:{line}" for _, file, line in found]
        marks = pa.table({"item": [item for item, _, _ in found], "reason": reasons})
        checkpoint.with_table("marks", marks, _PLANNING["mark_bad"])


def finish_plan(checkpoint: Checkpoint, comparison: InputComparison) -> PlanCounts:
    """Compare the plan with what is recorded."""
    ((items,),) = checkpoint.rows("SELECT count(*) FROM plan")
    checkpoint.raise_memory_limit(items=items)
    about = {"has_ids": comparison.has_ids, "coverage": comparison.coverage.hex()}
    checkpoint.execute(_PLANNING["create_seen"], **about)
    checkpoint.execute(_PLANNING["create_kept"])
    redone = 0
    if comparison.keeps_answers:
        checkpoint.execute(_PLANNING["keep_redone"])
    else:
        ((redone,),) = checkpoint.rows(_PLANNING["count_redone"])
    if not comparison.has_ids:
        ((unmatched,),) = checkpoint.rows(_PLANNING["count_unmatched"], coverage=about["coverage"])
        redone += unmatched
    checkpoint.execute(_PLANNING["create_answered"])
    counts = checkpoint.row(_PLANNING["count_plan"], allowance=comparison.allowance)
    ((removed,),) = checkpoint.rows(_PLANNING["count_removed"])
    removed = 0 if comparison.is_part else removed
    worst, least = _worst_cases(checkpoint, comparison.allowance)
    return PlanCounts(
        **counts, redone=redone, removed=removed, worst_case_usd=worst, min_worst_case_usd=least
    )


def _worst_cases(checkpoint: Checkpoint, allowance: int) -> tuple[Decimal | None, Decimal | None]:
    """Bound what sending the plan costs, and the cheapest attempt of it; None without a bound.

    A request is sent until it has an answer, or as many attempts of it as are allowed may have been
    billed unseen; one that is not what the job wants is asked again with a complaint.
    """
    groups = checkpoint.rows(_PLANNING["worst_cases"], allowance=allowance)
    if any(is_unbounded for *_, is_unbounded in groups):
        return None, None
    worst = total(
        total([product(usd, allowance - unknown), repairs]) for unknown, usd, repairs, *_ in groups
    )
    return worst, min((least for *_, least, _ in groups), default=None)


def note_seen(checkpoint: Checkpoint, comparison: InputComparison) -> None:
    """Remember what the input asks now, for the next comparison; plan first."""
    checkpoint.add(
        _PLANNING["note_seen"], coverage=comparison.coverage.hex(), is_part=comparison.is_part
    )


def items_to_send(checkpoint: Checkpoint, allowance: int) -> pa.Table:
    """The items to send (``item``), each with what it has been through.

    ``unknown_attempts`` may have been billed unseen, ``repairs`` answers were not what is wanted.
    """
    return checkpoint.table(_PLANNING["to_send"], allowance=allowance)


@dataclass(frozen=True, slots=True)
class SharedPrefixes:
    """What the items to send share.

    ``marks`` has the items that are worth a mark and the sum of their levels. They are so many
    ``groups`` by their longest prefix; ``span`` is the most items from a group's first to its last.
    """

    marks: pa.Table
    groups: int
    span: int


def shared_prefixes(
    checkpoint: Checkpoint, items: Sequence[int] | pa.Array, *, least_uses: int, window: int
) -> SharedPrefixes:
    """Find the prefixes that enough of the items use, on average within ``window`` of each other.

    Plan first.
    """
    checkpoint.with_table("items", pa.table({"item": items}), _PLANNING["create_sends"])
    checkpoint.execute(_PLANNING["create_shared"], least_uses=least_uses, window=window)
    found = checkpoint.row(_PLANNING["groups"])
    return SharedPrefixes(checkpoint.table(_PLANNING["marks"]), **found)


def bad_rows(checkpoint: Checkpoint, most: int) -> list[tuple[int, int, str, str]]:
    """The first rows that cannot be asked: file index, line, error type and reason."""
    return checkpoint.rows(_PLANNING["bad_rows"], n=most)


def begin_results(checkpoint: Checkpoint) -> None:
    """Find the attempt that answers each item, as of now; plan first."""
    checkpoint.execute(_PLANNING["create_answered"])
    checkpoint.execute(_RESULTS["create_results"])


def results_digest(checkpoint: Checkpoint) -> str:
    """Name the results: equal when every row of the output would be."""
    ((digest,),) = checkpoint.rows(_RESULTS["digest"])
    return str(digest)


def read_results(checkpoint: Checkpoint, first: int, last: int) -> pa.Table:
    """The results of the items from ``first`` to ``last``, in order; columns as in results.sql."""
    table = checkpoint.table(_RESULTS["read_results"], first=first, last=last)
    sizes, bodies = table.column("body_bytes").to_pylist(), table.column("body").to_pylist()
    whole = pa.array(map(unpacked, bodies, sizes), pa.binary())
    return table.set_column(table.schema.get_field_index("body"), "body", whole)


def body_bytes(checkpoint: Checkpoint, first: int, last: int) -> int:
    """What the answers of the items from ``first`` to ``last`` weigh."""
    ((size,),) = checkpoint.rows(_RESULTS["body_bytes"], first=first, last=last)
    return int(size)


def failures(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    """Groups of rows that did not succeed, largest first."""
    groups: list[dict[str, Any]] = checkpoint.table(_RESULTS["failures"]).to_pylist()
    return groups


def count_statuses(checkpoint: Checkpoint) -> dict[str, int]:
    """How many items ended as what; ``unsent`` for those without any outcome."""
    return dict(checkpoint.rows(_RESULTS["count_statuses"]))


def count_open(checkpoint: Checkpoint, allowance: int) -> int:
    """How many items another run would send again; ``allowance`` as in ``InputComparison``."""
    ((number,),) = checkpoint.rows(_RESULTS["count_open"], allowance=allowance)
    return int(number)


def output_totals(checkpoint: Checkpoint) -> dict[str, Any]:
    """The exact sums of the output's columns: dollars as text, tokens as integers."""
    row = checkpoint.row(_RESULTS["output_totals"])
    return {**row, "cost_usd": exact_text(row["cost_usd"])}


def totals(checkpoint: Checkpoint, run_id: str | None = None) -> dict[str, Any]:
    """Attempts, tokens and dollars of one run, or of all."""
    return checkpoint.row(_RESULTS["totals"], run_id=run_id)


def sum_up(checkpoint: Checkpoint, run_id: str, *, has_results: bool = True) -> RunSums:
    """Add up a run and the checkpoint it leaves; begin the results first.

    Without them (the checkpoint was opened anew after a failed write) rows are not counted.
    """
    found = failures(checkpoint) if has_results else []
    groups = (group for group in found if group["error_type"] != NOT_SENT)
    return RunSums(
        run=totals(checkpoint, run_id),
        checkpoint=totals(checkpoint),
        by_status=count_statuses(checkpoint) if has_results else {},
        latency_s=checkpoint.row(_RESULTS["latencies"], run_id=run_id),
        models=dict(checkpoint.rows(_RESULTS["models"], run_id=run_id)),
        errors=[
            {"type": group["error_type"], "n": group["rows"], "example_id": group["example_id"]}
            for group in groups
        ],
    )


def attempts_of(checkpoint: Checkpoint, fingerprint: bytes) -> list[dict[str, Any]]:
    """Every attempt of one request, oldest first."""
    rows: list[dict[str, Any]] = checkpoint.table(
        _RESULTS["attempts_of"], fingerprint=fingerprint.hex()
    ).to_pylist()
    return [{**row, "body": unpacked(row["body"], row["body_bytes"])} for row in rows]


def find_items(checkpoint: Checkpoint, row_id: str) -> list[dict[str, Any]]:
    """The plan's items of the row with this id."""
    rows: list[dict[str, Any]] = checkpoint.table(_PLANNING["find_items"], id=row_id).to_pylist()
    return rows
