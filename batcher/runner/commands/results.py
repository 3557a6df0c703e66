"""Reads what a job has recorded, beside its input, without sending or changing anything."""

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from batcher.core.answers.message import Message, UnreadableMessage, parse_message
from batcher.core.request.build import Request, Unsendable
from batcher.core.row import BadRow, Row
from batcher.errors import ConfigurationError
from batcher.inputs.job_file.load import LoadedJob
from batcher.runner.job_context import JobContext, open_job
from batcher.runner.planning.planner import Plan, make_plan
from batcher.runner.workspace import Workspace
from batcher.store.checkpoint import FILE_NAME, Checkpoint
from batcher.store.lock import Holder, Lock
from batcher.store.plans import attempts_of, begin_results, failures, find_items, read_results
from batcher.store.writer import CheckpointCall

_IDS_LOOKED_AT = 20_000


@dataclass(frozen=True, slots=True)
class Reading:
    """A job's input and its recorded results, joined; lives as long as ``reading`` is open."""

    context: JobContext
    plan: Plan
    db: CheckpointCall


@dataclass(frozen=True, slots=True)
class RowFound:
    """One row with its request and, for each sample, its result and attempts."""

    row: Row | BadRow
    request: Request | Unsendable
    results: tuple[dict[str, Any], ...]
    attempts: tuple[tuple[dict[str, Any], ...], ...]


def has_state(workspace: Workspace) -> bool:
    """Whether anything was ever recorded there."""
    return (workspace.state / FILE_NAME).exists()


@contextmanager
def opened_checkpoint(workspace: Workspace) -> Iterator[Checkpoint]:
    """Open an existing checkpoint for reading; LockedError while a run holds it."""
    holder = Holder.this_process(datetime.now(UTC))
    with Lock(workspace.state, holder, is_shared=True):
        checkpoint = Checkpoint(workspace.state, is_read_only=True)
        try:
            yield checkpoint
        finally:
            checkpoint.close()


@contextmanager
def reading(loaded: LoadedJob, *, is_simulated: bool) -> Iterator[Reading]:
    """Open a job's state read-only and compare the input with it.

    Raises ConfigurationError when there was no run yet, and LockedError while one goes on.
    """
    workspace = Workspace.of(loaded, is_simulated=is_simulated)
    if not has_state(workspace):
        raise ConfigurationError(
            f"no run yet: {workspace.state} holds no checkpoint",
            hint=_first(loaded, is_simulated=is_simulated),
        )
    context = open_job(loaded, is_simulated=is_simulated, today=datetime.now(UTC).date())
    with opened_checkpoint(workspace) as checkpoint:
        db = checkpoint.call
        plan = make_plan(context, db)
        db(begin_results)
        yield Reading(context, plan, db)


def failure_groups(read: Reading) -> list[dict[str, Any]]:
    """Group the rows that did not succeed, largest group first."""
    return read.db(failures)


def find_row(read: Reading, row_id: str) -> RowFound | None:
    """Find a row by its id, else by its number, as ``row:5`` or ``5``; reads the input again."""
    ordinal = _ordinal(read, row_id)
    row = None if ordinal is None else _row_at(read, ordinal)
    if row is None:
        return None
    samples = read.context.samples
    first = row.ordinal * samples
    table = read.db(read_results, first, first + samples - 1)
    results = tuple(table.to_pylist())
    attempts = tuple(_attempts(read, result["fingerprint"]) for result in results)
    if isinstance(row, BadRow):
        return RowFound(row, Unsendable(row.error_type, row.reason), results, attempts)
    return RowFound(row, read.context.maker.request_of(row), results, attempts)


def _attempts(read: Reading, fingerprint: str | None) -> tuple[dict[str, Any], ...]:
    if fingerprint is None:
        return ()
    return tuple(read.db(attempts_of, bytes.fromhex(fingerprint)))


def nearest_ids(context: JobContext, row_id: str) -> list[str]:
    """Ids like this one, of the first 20,000 rows."""
    ids = []
    for chunk in context.source.chunks(_id_columns(context)):
        ids += [context.maker.row_id(row) for row in chunk.rows if isinstance(row, Row)]
        if len(ids) >= _IDS_LOOKED_AT:
            break
    names = [name for name in islice(ids, _IDS_LOOKED_AT) if isinstance(name, str)]
    return difflib.get_close_matches(row_id, names, n=3)


def message_of(attempt: dict[str, Any]) -> Message | None:
    """Read the message an attempt brought back, if it is one."""
    if attempt["http_status"] != 200 or attempt["body"] is None:
        return None
    try:
        return parse_message(attempt["body"])
    except UnreadableMessage:
        return None


def last_run_id(read: Reading) -> str:
    """The id of the latest run that sent anything; empty when none did."""
    folders = read.context.workspace.state.glob("*/run.json")
    return max((path.parent.name for path in folders), default="")


def recorded_cost(attempts: Sequence[dict[str, Any]]) -> Decimal:
    """The dollars of some attempts, as far as they are known."""
    known = (attempt["cost_usd"] for attempt in attempts)
    return sum((cost for cost in known if cost is not None), Decimal(0))


def _first(loaded: LoadedJob, *, is_simulated: bool) -> str:
    if not is_simulated and has_state(Workspace.of(loaded, is_simulated=True)):
        return "there is a simulated run: add --simulate to see it"
    return f"batcher run {loaded.path}{' --simulate' if is_simulated else ''}"


def _ordinal(read: Reading, row_id: str) -> int | None:
    items = read.db(find_items, row_id)
    if items:
        return int(items[0]["ordinal"])
    number = row_id.removeprefix("row:")
    if number.isascii() and number.isdigit() and len(number) < 16:
        return int(number) - 1
    return None


def _row_at(read: Reading, ordinal: int) -> Row | BadRow | None:
    for chunk in read.context.source.chunks(read.plan.columns):
        if chunk.rows[-1].ordinal >= ordinal:
            return next((row for row in chunk.rows if row.ordinal == ordinal), None)
    return None


def _id_columns(context: JobContext) -> frozenset[str]:
    job = context.job
    if job.input.format == "messages-batch":
        return frozenset({"custom_id"})
    return frozenset() if job.input.id is None else frozenset({job.input.id})
