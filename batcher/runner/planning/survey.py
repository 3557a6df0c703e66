"""The planning pass: reads the input once, names every request, sends nothing."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

import pyarrow as pa

from batcher.core.answers.outcome import Status
from batcher.core.plan import PlanCounts
from batcher.core.request.build import Request, Unsendable
from batcher.core.row import BadRow, Row
from batcher.errors import ConfigurationError, Problem
from batcher.inputs.chunk import Chunk
from batcher.inputs.column_types import ColumnTypes
from batcher.inputs.json_types import is_json_text
from batcher.runner.planning.prepare import Prepared
from batcher.runner.planning.sharing import Sharing, find_sharing, prefix_records
from batcher.store.checkpoint import Checkpoint
from batcher.store.plans import (
    Comparison,
    add_prefixes,
    add_to_plan,
    bad_rows,
    begin_plan,
    finish_plan,
    items_to_send,
    mark_duplicate_ids,
)
from batcher.store.records import PlanRecord, PrefixRecord

_SHOWN_BAD_ROWS = 20

T = TypeVar("T")


class WithCheckpoint(Protocol):
    """Does some work with the checkpoint wherever its thread is, and returns what it returned."""

    def __call__(self, work: Callable[[Checkpoint], T], /) -> T:
        """Do it now."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do.

    ``to_send`` has a byte for each item of the input: 0, or 1 + the attempts of its request that
    may have been billed unseen. ``schema`` holds the kept columns. ``columns`` are those that
    another pass over the input has to read; None means all. ``bad`` are the first bad rows,
    ``refused`` is what every request would be refused for. ``sharing`` says what is marked for the
    prompt cache.
    """

    counts: PlanCounts
    to_send: bytearray = field(repr=False)
    schema: pa.Schema
    largest_body: int
    body_bytes: int
    models: Counter[str]
    columns: frozenset[str] | None
    bad: tuple[Problem, ...]
    refused: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    sharing: Sharing = field(default_factory=Sharing)

    @property
    def mean_body(self) -> int:
        """The mean size of all requests in bytes."""
        requests = self.models.total()
        return round(self.body_bytes / requests) if requests else 0


def make_plan(
    prepared: Prepared,
    with_checkpoint: WithCheckpoint,
    rows_read: Callable[[int], None] = lambda _: None,
) -> Plan:
    """Read the whole input once and compare it with the checkpoint; ``rows_read`` hears how far.

    Raises ConfigurationError for a model without a price, and for an input that changes.
    """
    survey = _Survey(prepared)
    with_checkpoint(begin_plan)
    rows = 0
    for chunk in prepared.source.chunks(None if survey.reads_all else survey.columns):
        records = list(survey.records(chunk))
        with_checkpoint(partial(add_to_plan, records=records))
        with_checkpoint(partial(add_prefixes, records=survey.take_prefixes()))
        rows += len(chunk.rows)
        rows_read(rows)
    return survey.finish(with_checkpoint)


def comparison_of(prepared: Prepared) -> Comparison:
    """How a job's input is held against what is recorded."""
    job = prepared.loaded.job
    return Comparison(
        allowance=job.retry.unknown_attempts,
        has_ids=job.input.id is not None or job.input.format == "messages-batch",
        coverage=prepared.builder.coverage,
        keeps_answers=job.request.on_change == "keep",
        is_part=job.input.limit is not None or job.input.sample is not None,
    )


def kept_columns(prepared: Prepared, columns: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The input columns the output keeps; None means all that turn up, which only JSONL needs."""
    job = prepared.loaded.job
    if job.output.keep is not None:
        return job.output.keep
    if job.input.format == "messages-batch":
        return ()
    if columns is None:
        return None
    dropped = {*job.request.images, job.request.messages, job.request.params}
    return tuple(name for name in columns if name not in dropped)


class _Survey:
    """What one pass over the input finds out."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._keep = kept_columns(prepared, prepared.source.columns)
        self._types = ColumnTypes(self._keep)
        self._files = {stamp.name: index for index, stamp in enumerate(prepared.source.files)}
        self._models: Counter[str] = Counter()
        self._warnings: dict[str, Problem] = {}
        job, is_jsonl = prepared.loaded.job, prepared.source.columns is None
        self._id = job.input.id if job.input.format == "rows" else None
        named = {*(job.output.keep or ()), *([self._id] if self._id else ())}
        self._unseen = named if is_jsonl else set()
        self._has_rows = False
        self._refused: list[Problem] = []
        self._prefixes: list[PrefixRecord] = []
        self._largest_body = 0
        self._body_bytes = 0
        self._last_item = -1
        self._is_checked = False

    @property
    def reads_all(self) -> bool:
        """Whether every column is needed."""
        return self._keep is None or self._prepared.builder.columns is None

    @property
    def columns(self) -> frozenset[str]:
        """The columns that are needed, when not all are."""
        names = set(self._keep or ()) | (self._prepared.builder.columns or frozenset())
        job = self._prepared.loaded.job
        if job.input.format == "messages-batch":
            names.add("custom_id")
        if job.input.id is not None:
            names.add(job.input.id)
        return frozenset(names)

    def records(self, chunk: Chunk) -> Iterator[PlanRecord]:
        """Name the requests of one chunk."""
        self._types.see(chunk)
        self._look_for_named(chunk)
        for row in chunk.rows:
            yield from self._records_of(row)

    def take_prefixes(self) -> list[PrefixRecord]:
        """What the requests named since the last call begin with."""
        taken, self._prefixes = self._prefixes, []
        return taken

    def finish(self, with_checkpoint: WithCheckpoint) -> Plan:
        """Compare all requests with what is recorded."""
        self._prepared.source.check_unchanged()
        names = [stamp.name for stamp in self._prepared.source.files]
        comparison = comparison_of(self._prepared)
        with_checkpoint(lambda c: mark_duplicate_ids(c, names))
        counts = with_checkpoint(lambda c: finish_plan(c, comparison))
        found = with_checkpoint(lambda c: bad_rows(c, _SHOWN_BAD_ROWS))
        sends = with_checkpoint(lambda c: items_to_send(c, comparison.allowance))
        to_send = bytearray(self._last_item + 1)
        for batch in sends.to_batches(max_chunksize=10_000):
            items, unknowns = (column.to_pylist() for column in batch.columns)
            for item, unknown in zip(items, unknowns, strict=True):
                to_send[item] = 1 + min(unknown, 254)
        sharing = with_checkpoint(
            lambda c: find_sharing(self._prepared, c, sends.column("item"), len(to_send))
        )
        schema = self._schema()
        return Plan(
            counts=counts,
            to_send=to_send,
            schema=schema,
            largest_body=self._largest_body,
            body_bytes=self._body_bytes,
            models=self._models,
            columns=None if self.reads_all else self.columns,
            bad=tuple(Problem(reason, names[file], line) for file, line, _, reason in found),
            refused=tuple(self._refused),
            warnings=tuple(self._warnings.values()),
            sharing=sharing,
        )

    def _look_for_named(self, chunk: Chunk) -> None:
        """Note which columns the job names turn up; Parquet's are known from the start."""
        for row in chunk.rows:
            if not self._unseen:
                return
            if isinstance(row, Row):
                self._has_rows = True
                self._unseen -= row.values.keys()

    def _schema(self) -> pa.Schema:
        if self._id is not None and self._has_rows and self._id in self._unseen:
            self._prepared.source.refuse_unseen(self._id)
        if self._unseen and self._models:
            raise ConfigurationError(
                f"no row has the column {', '.join(sorted(self._unseen))}, which output.keep names",
                hint="see output.keep and the input's columns",
            )
        schema = self._types.schema()
        for column in schema:
            if is_json_text(column):
                self._warnings[column.name] = Problem(
                    f"the column {column.name!r} holds values of several kinds, or too large ones; "
                    "it is kept as JSON text"
                )
        if self._keep is None:
            keep = kept_columns(self._prepared, tuple(schema.names)) or ()
            schema = pa.schema([schema.field(name) for name in keep])
        return schema

    def _records_of(self, row: Row | BadRow) -> Iterator[PlanRecord]:
        row_id = self._prepared.row_id(row)
        request = self._request_of(row, row_id)
        samples = self._prepared.samples
        names: tuple[bytes | None, ...] = (None,) * samples
        content = None
        why: tuple[str | None, str | None, str | None] = (None, None, None)
        worst_case = None
        if isinstance(request, Request):
            names, content = request.fingerprints, request.content
            worst_case = self._prepared.worst_case_of(request)
            self._prefixes += prefix_records(self._prepared, request, row.ordinal * samples)
        else:
            status = Status.SKIPPED if request.is_skipped else Status.ERRORED
            why = (status.value, request.error_type, request.reason)
        for sample, name in enumerate(names):
            self._last_item = row.ordinal * samples + sample
            yield PlanRecord(
                self._last_item,
                row.ordinal,
                sample,
                self._files[row.place.file],
                row.place.line,
                row_id if isinstance(row_id, str) else None,
                name,
                content,
                worst_case,
                *why,
            )

    def _request_of(self, row: Row | BadRow, row_id: str | Unsendable) -> Request | Unsendable:
        if isinstance(row, BadRow):
            return Unsendable(row.error_type, row.reason)
        if isinstance(row_id, Unsendable):
            return row_id
        request = self._prepared.request_of(row)
        if isinstance(request, Unsendable):
            return request
        self._largest_body = max(self._largest_body, len(request.body))
        self._body_bytes += len(request.body)
        if request.model not in self._models:
            self._prepared.prices.model(request.model)  # an unknown price stops everything here
        self._models[request.model] += 1
        return self._checked(request)

    def _checked(self, request: Request) -> Request | Unsendable:
        """Hold a request against what its model refuses: once for a job, or for each row."""
        is_fixed = self._prepared.builder.is_fixed
        if is_fixed and self._is_checked and self._prepared.loaded.job.request.messages is None:
            return request
        self._is_checked = True
        errors = []
        for refusal in self._prepared.refusals_of(request):
            if refusal.severity == "error":
                errors.append(refusal)
            else:
                self._warnings[refusal.message] = self._prepared.placed(refusal)
        if errors and (not is_fixed or self._prepared.loaded.job.request.messages is not None):
            return Unsendable("client.refused_by_model", f"{errors[0].key}: {errors[0].message}")
        self._refused += [self._prepared.placed(error) for error in errors]
        return request
