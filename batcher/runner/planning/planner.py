"""The planning pass: reads the input once, names every request, and sends nothing."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from batcher.core.digest import Digest
from batcher.core.plan_counts import PlanCounts
from batcher.core.plural import counted
from batcher.core.row import Row
from batcher.errors import ConfigurationError, Problem
from batcher.inputs.chunk import Chunk
from batcher.inputs.column_types import ColumnTypes
from batcher.runner.job_context import JobContext
from batcher.runner.planning.items import Items
from batcher.runner.planning.row_warnings import GoldWarnings, left_out_warning
from batcher.runner.planning.sends import Sends
from batcher.runner.planning.shared_prefixes import Sharing, find_sharing
from batcher.store.plans import (
    InputComparison,
    add_to_plan,
    bad_rows,
    begin_plan,
    finish_plan,
    items_to_send,
    mark_duplicate_ids,
)
from batcher.store.records import PlanRecord
from batcher.store.writer import CheckpointCall

_SHOWN_BAD_ROWS = 20
_GROUP_ITEMS = 8_192
"""How many items are added to the plan at once: each insertion costs a millisecond."""


@dataclass(frozen=True, slots=True)
class BadRows:
    """Bad rows with the same reason: how many there are, and the first one."""

    first: Problem
    rows: int

    def __str__(self) -> str:
        more = f" (and in {counted(self.rows - 1, 'more row')})"
        return f"{self.first}{more if self.rows > 1 else ''}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do.

    ``to_send`` has a byte for each item of the input: 0, or 1 + the attempts of its request whose
    billing status is unknown. ``repairs`` counts the invalid answers that earlier runs got for an
    item; most items have none. ``failed_before`` has the items that failed in an earlier run and
    are open: the type of their last error if other rows have been answered since, else "".
    ``schema`` has the kept columns. ``used`` are those that requests are made from; None means
    all. ``bad`` are the first reasons of bad rows, ``refused`` is what every request would be
    refused for.
    ``sharing`` says what is marked for the prompt cache.
    ``names``, ``rows_digest``, ``requests_digest``, ``sigma``, ``only_live``, ``live_items`` and
    ``has_web_tools`` are those of ``Items``.
    """

    counts: PlanCounts
    to_send: bytearray = field(repr=False)
    repairs: Mapping[int, int] = field(repr=False)
    failed_before: Mapping[int, str] = field(repr=False)
    names: bytearray | None = field(repr=False)
    schema: pa.Schema
    largest_body: int
    body_bytes: int
    models: Counter[str]
    used: frozenset[str] | None
    bad: tuple[BadRows, ...]
    refused: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    rows_digest: Digest
    requests_digest: Digest
    sigma: float
    only_live: str | None = None
    live_items: Sequence[int] = ()
    has_web_tools: bool = False
    sharing: Sharing = field(default_factory=Sharing)

    @property
    def bad_lines(self) -> list[str]:
        """The bad rows as text; rows with the same reason share a line."""
        samples = self.counts.items // max(1, self.counts.rows)
        left = self.counts.bad // max(1, samples) - sum(bad.rows for bad in self.bad)
        return [*map(str, self.bad), *([f"and {left:,} more"] if left > 0 else [])]

    @property
    def unmarked(self) -> "Plan":
        """The same plan without marks for the prompt cache."""
        return replace(self, sharing=Sharing())

    @property
    def mean_body(self) -> int:
        """The mean size of all requests in bytes."""
        requests = self.models.total()
        return round(self.body_bytes / requests) if requests else 0


def make_plan(
    context: JobContext,
    db: CheckpointCall,
    rows_read: Callable[[int], None] = lambda _: None,
) -> Plan:
    """Read the whole input once and compare it with the checkpoint.

    ``rows_read`` is called with the number of rows read so far.

    Raises ConfigurationError for a model without a price, and for an input that changes.
    """
    survey = _Survey(context)
    db(begin_plan)
    rows, records = 0, list[PlanRecord]()
    for chunk in context.source.chunks(survey.used, survey.kept):
        records += survey.records(chunk)
        rows += len(chunk.rows)
        rows_read(rows)
        if len(records) >= _GROUP_ITEMS:
            db(add_to_plan, records, survey.items.take_prefixes())
            records = []
    db(add_to_plan, records, survey.items.take_prefixes())
    return survey.finish(db)


def comparison_of(context: JobContext) -> InputComparison:
    """Return how a job's input is compared with what earlier runs recorded."""
    job = context.job
    return InputComparison(
        allowance=job.retry.unknown_attempts,
        has_ids=job.input.id is not None or job.input.format == "messages-batch",
        coverage=context.maker.builder.coverage,
        keeps_answers=job.request.on_change == "keep",
        is_part=job.input.limit is not None or job.input.sample is not None,
    )


def kept_columns(context: JobContext, columns: pa.Schema | None) -> tuple[str, ...] | None:
    """Return the input columns that the output keeps; None means all that occur (JSONL only)."""
    job = context.job
    if job.output.keep is not None:
        return tuple(dict.fromkeys(job.output.keep))
    if job.input.format == "messages-batch":
        return ()
    if columns is None:
        return None
    request = job.request
    heavy = {*request.images, *request.documents}
    return tuple(
        column.name
        for column in columns
        if column.name not in (request.messages, request.params)
        and (column.name not in heavy or _holds_paths(column.type))
    )


def _holds_paths(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


class _Survey:
    """One pass over the input, and what it finds."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self.items = Items(context)
        self._keep = kept_columns(context, context.source.schema)
        self._types = ColumnTypes(self._keep)
        job, is_jsonl = context.job, context.source.columns is None
        self._id = job.input.id if job.input.format == "rows" else None
        columns = (*(job.output.keep or ()), self._id, job.labels.gold)
        self._missing = {name for name in columns if name is not None} if is_jsonl else set()
        self._has_rows = False
        self._gold = GoldWarnings.of(context)

    @property
    def used(self) -> frozenset[str] | None:
        """The columns that requests are made from; None means all."""
        columns = self._context.maker.builder.columns
        if columns is None:
            return None
        job = self._context.job
        names = {job.input.id, job.labels.gold} - {None}
        if job.input.format == "messages-batch":
            names.add("custom_id")
        return columns | {name for name in names if name is not None}

    @property
    def kept(self) -> frozenset[str] | None:
        """The columns that the output keeps; None means all."""
        return None if self._keep is None else frozenset(self._keep)

    def records(self, chunk: Chunk) -> list[PlanRecord]:
        """Return the plan's records of one chunk of rows."""
        self._types.add(chunk)
        self._note_columns(chunk)
        records: list[PlanRecord] = []
        for row in chunk.rows:
            if self._gold is not None:
                self._gold.add(row)
            records += self.items.records_of(row)
        self.items.add_up()
        return records

    def finish(self, db: CheckpointCall) -> Plan:
        """Compare all requests with what earlier runs recorded."""
        self._context.source.check_unchanged()
        items = self.items
        if self._gold is not None and (warning := self._gold.warning()):
            items.warnings[warning.message] = warning
        items.warnings |= {warning.message: warning for warning in items.lengths.warnings()}
        if (left_out := left_out_warning(self._context.source.left_out)) is not None:
            items.warnings[left_out.message] = left_out
        names = [stamp.name for stamp in self._context.source.files]
        comparison = comparison_of(self._context)
        db(mark_duplicate_ids, names)
        counts = db(finish_plan, comparison)
        bad = [
            BadRows(Problem(reason, names[file], line), rows)
            for file, line, reason, rows in db(bad_rows, _SHOWN_BAD_ROWS)
        ]
        sends = Sends.read(db(items_to_send, comparison.allowance), items.count)
        sharing = db(find_sharing, self._context, sends.items, items.count)
        schema = self._schema()
        return Plan(
            counts=counts,
            to_send=sends.marks,
            repairs=sends.repairs,
            failed_before=sends.failed_before,
            names=items.names,
            schema=schema,
            largest_body=items.largest_body,
            body_bytes=items.body_bytes,
            models=items.models,
            used=self.used,
            bad=tuple(bad),
            refused=tuple(items.refused),
            warnings=tuple(items.warnings.values()),
            rows_digest=items.rows_digest,
            requests_digest=items.requests_digest,
            sigma=items.sigma,
            only_live=items.only_live,
            live_items=items.live_items,
            has_web_tools=items.has_web_tools,
            sharing=sharing,
        )

    def _note_columns(self, chunk: Chunk) -> None:
        """Note which of the named columns occur; those of Parquet are known from the start."""
        for row in chunk.rows:
            if not self._missing:
                return
            if isinstance(row, Row):
                self._has_rows = True
                self._missing -= row.values.keys()

    def _schema(self) -> pa.Schema:
        for name in (self._id, self._context.job.labels.gold):
            if name is not None and self._has_rows and name in self._missing:
                self._context.source.refuse_unknown(name)
        if self._missing and self.items.models:
            raise ConfigurationError(
                f"no row has the column {', '.join(sorted(self._missing))} of output.keep",
                hint="see output.keep and the input's columns",
            )
        schema = self._types.schema()
        for warning in self._types.warnings():
            self.items.warnings[warning.message] = warning
        if self._keep is None:
            keep = kept_columns(self._context, schema) or ()
            schema = pa.schema([schema.field(name) for name in keep])
        return schema
