"""The third pass over the input: joins its rows with their results and writes the output."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from batcher import __version__
from batcher.core.quality.tally import Tally, ValidAnswer
from batcher.core.request.canonical import content_hash
from batcher.core.row import BadRow, Row
from batcher.outputs.parquet_output import ParquetOutput, clear_leftovers
from batcher.outputs.parsed_answers import parse_answers
from batcher.outputs.result_columns import Layout, repeat_rows
from batcher.outputs.seal import Seal, SealedFile, read_seal
from batcher.runner.job_context import JobContext
from batcher.runner.planning.output_layout import layout_of
from batcher.runner.planning.planner import Plan
from batcher.runner.writing.quality import Quality
from batcher.store.results import (
    body_bytes,
    count_open,
    count_statuses,
    output_totals,
    read_results,
    results_digest,
)
from batcher.store.writer import CheckpointCall

OUTPUT_VERSION = 1
_CHUNK_BYTES = 4 << 20
_CHUNK_ROWS = 4_096


class Observer(Protocol):
    """Gets the items of an output, each with its row and the value of its answer."""

    def see(
        self, rows: Sequence[Row | BadRow], values: Sequence[ValidAnswer], results: pa.Table
    ) -> None:
        """Add the items of a chunk."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the output goes, and which run writes it."""

    path: Path
    run_id: str


@dataclass(frozen=True, slots=True)
class Exported:
    """The output that was written, or that was found unchanged.

    ``open_rows`` have no final result, and another run may still answer them; rows ``on_hold`` are
    only sent by a retry; ``pending`` ones wait in a batch, and a run collects their results.
    ``quality`` is set when the job has labels and a run wrote the output.
    """

    path: Path
    rows: int
    cost_usd: Decimal
    by_status: dict[str, int]
    open_rows: int
    on_hold: int
    pending: int
    is_unchanged: bool
    files: tuple[SealedFile, ...]
    quality: Tally | None = None


def export_parquet(
    context: JobContext,
    plan: Plan,
    db: CheckpointCall,
    target: Target,
    rows_read: Callable[[int], None] = lambda _: None,
    quality: Quality | None = None,
) -> Exported:
    """Write every item with its result, in input order; skip it when the output is up to date.

    Call ``begin_results`` first. ``rows_read`` is called with the number of rows written so far;
    ``quality`` gets every row.
    """
    layout, path = layout_of(context, plan), target.path
    by_status, sums = db(count_statuses), db(output_totals)
    content = [db(results_digest), _files_digest(context)]
    made_from = _made_from(context, layout, content)
    state, is_own = context.workspace.state, path == context.workspace.output
    seal = read_seal(state) if is_own else None
    clear_leftovers(path)
    is_unchanged = seal is not None and seal.is_of(made_from) and not seal.changed_files(path)
    job = content_of(context)
    if seal is None or not is_unchanged:
        parts = None if path.suffix == ".parquet" else context.job.output.rows_per_file
        with ParquetOutput(path, layout.schema, rows_per_file=parts) as file:
            rows = 0
            for table in result_tables(context, plan, db, layout, quality):
                file.write(table)
                rows += table.num_rows
                rows_read(rows // context.samples)
            file.finish(
                {
                    **_metadata(context, target.run_id),
                    "rows": plan.counts.items,
                    "by_status": by_status,
                    "totals": sums,
                    "content": content,
                }
            )
        seal = Seal.of(path, made_from, job)
    if is_own and not (is_unchanged and seal.job == job):
        seal = replace(seal, job=job)
        with contextlib.suppress(OSError):  # else the next run writes it again
            seal.write(state)
    still_open = db(count_open, context.job.retry.unknown_attempts)
    return Exported(
        path=path,
        rows=plan.counts.items,
        cost_usd=Decimal(sums["cost_usd"]),
        by_status=by_status,
        open_rows=still_open.to_send,
        on_hold=still_open.on_hold,
        pending=still_open.pending,
        is_unchanged=is_unchanged,
        files=seal.files,
        quality=None if is_unchanged or quality is None else quality.tally,
    )


def _made_from(context: JobContext, layout: Layout, content: list[str]) -> dict[str, Any]:
    """Return all that an output depends on: the same values mean the same output."""
    labels = context.job.labels
    return {
        "schema_version": OUTPUT_VERSION,
        "content": content,
        "columns": layout.schema.to_string(),
        "rows_per_file": context.job.output.rows_per_file,
        "gold": [labels.gold, labels.gold_field],
    }


def _metadata(context: JobContext, run_id: str) -> dict[str, Any]:
    """Return the metadata that says which job and run wrote the output."""
    return {
        "schema_version": OUTPUT_VERSION,
        "job": context.workspace.owner.job,
        "job_file": context.workspace.owner.job_file,
        "job_digest": context.loaded.digest,
        "run_id": run_id,
        "is_simulated": context.asks_simulator,
        "prices_as_of": context.prices.as_of.isoformat(),
    }


def content_of(context: JobContext) -> str:
    """Return a digest of all that decides the output besides the checkpoint: job and input."""
    loaded, without = context.loaded, {"limits", "budget", "notify", "delivery"}
    parts = [
        __version__,
        loaded.job.model_dump_json(exclude=without),
        loaded.system,
        loaded.prompt,
        None if loaded.labels is None else loaded.labels.schema,
        _files_digest(context),
    ]
    return content_hash(parts).hex()


def _files_digest(context: JobContext) -> str:
    """Return a digest of the input's files; there may be hundreds of thousands of them."""
    files = [(file.name, file.size, file.mtime_ns) for file in context.source.files]
    return content_hash(files).hex()


def result_tables(
    context: JobContext,
    plan: Plan,
    db: CheckpointCall,
    layout: Layout,
    observer: Observer | None = None,
) -> Iterator[pa.Table]:
    """Yield the rows of the output, a chunk at a time; call ``begin_results`` first.

    ``observer`` gets each chunk before it is yielded.
    """
    samples = context.samples
    names = tuple(plan.schema.names)
    gold = frozenset(() if context.gold is None else (context.gold.column,))
    for chunk in context.source.chunks(gold, frozenset(names), _CHUNK_ROWS):
        kept = repeat_rows(chunk.table(names, plan.schema), samples)
        rows = [row for row in chunk.rows for _ in range(samples)]
        items = [item for row in chunk.rows for item in context.items.items_of(row.ordinal)]
        size = db(body_bytes, items[0], items[-1])
        step = max(1, len(chunk.rows) // (1 + size // _CHUNK_BYTES)) * samples
        for start in range(0, len(items), step):
            part = items[start : start + step]
            results = db(read_results, part[0], part[-1])
            answers = parse_answers(results, layout.labels, keeps_text=layout.keeps_text)
            if observer is not None:
                values = [answer.value for answer in answers]
                observer.see(rows[start : start + step], values, results)
            yield layout.fill(kept.slice(start, len(part)), results, answers)
    context.source.check_unchanged()
