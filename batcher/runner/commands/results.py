"""Reads the recorded results of a job together with its input; sends and changes nothing."""

import difflib
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from batcher import __version__
from batcher.core.answers.message import Message, UnreadableMessage, parse_message
from batcher.core.request.build import Request, Unsendable
from batcher.core.row import BadRow, Row
from batcher.errors import ConfigurationError, LockedError
from batcher.inputs.job_file.load import LoadedJob
from batcher.runner.job_context import JobContext, open_job
from batcher.runner.planning.planner import Plan, make_plan
from batcher.runner.run_history import RunHistory
from batcher.runner.workspace import Workspace
from batcher.store.checkpoint import FILE_NAME, Checkpoint
from batcher.store.lock import Holder, Lock
from batcher.store.plans import find_items
from batcher.store.results import (
    attempts_of,
    begin_results,
    failure_messages,
    failures,
    read_results,
)
from batcher.store.writer import CheckpointCall

_IDS_SEARCHED = 20_000


@dataclass(frozen=True, slots=True)
class Results:
    """A job's input and its recorded results; usable only inside ``open_results``."""

    context: JobContext
    plan: Plan
    db: CheckpointCall


@dataclass(frozen=True, slots=True)
class RowResults:
    """One row, its request and, for each sample, the result and the attempts."""

    row: Row | BadRow
    request: Request | Unsendable
    results: tuple[dict[str, Any], ...]
    attempts: tuple[tuple[dict[str, Any], ...], ...]


@dataclass(frozen=True, slots=True)
class CheckpointFound:
    """A checkpoint to plan with; ``held_by`` names the run that holds the job's own one."""

    checkpoint: Checkpoint
    held_by: str | None = None


def has_checkpoint(workspace: Workspace) -> bool:
    """Return whether a run has recorded anything for this job."""
    return (workspace.state / FILE_NAME).exists()


def check_has_run(workspace: Workspace, loaded: LoadedJob) -> None:
    """Raise ConfigurationError when no run has recorded anything for this job."""
    if not has_checkpoint(workspace):
        raise ConfigurationError(
            f"no run yet: {workspace.state} holds no checkpoint",
            hint=_first_command(loaded, is_simulated=workspace.is_simulated),
        )


@contextmanager
def open_checkpoint(workspace: Workspace) -> Iterator[Checkpoint]:
    """Open an existing checkpoint for reading; raise LockedError while a run holds it."""
    holder = Holder.this_process(datetime.now(UTC))
    with Lock(workspace.state, holder, is_shared=True):
        checkpoint = Checkpoint(workspace.state, is_read_only=True)
        try:
            yield checkpoint
        finally:
            checkpoint.close()


@contextmanager
def open_checkpoint_or_empty(workspace: Workspace) -> Iterator[CheckpointFound]:
    """Open the job's checkpoint; if there is none, or a run holds it, open an empty one.

    The empty one is in a temporary folder that is removed afterwards.
    """
    held_by = None
    if has_checkpoint(workspace):
        try:
            with open_checkpoint(workspace) as checkpoint:
                yield CheckpointFound(checkpoint)
                return
        except LockedError as error:
            held_by = error.message
    with tempfile.TemporaryDirectory(prefix="batcher-") as folder:
        Checkpoint.create(Path(folder), version=__version__, now=datetime.now(UTC))
        checkpoint = Checkpoint(Path(folder))
        try:
            yield CheckpointFound(checkpoint, held_by)
        finally:
            checkpoint.close()


@contextmanager
def open_results(loaded: LoadedJob, *, is_simulated: bool) -> Iterator[Results]:
    """Open a job's checkpoint for reading and compare the input with it.

    Raises ConfigurationError when the job has not run yet, and LockedError while a run is going on.
    """
    workspace = Workspace.of(loaded, is_simulated=is_simulated)
    check_has_run(workspace, loaded)
    context = open_job(loaded, is_simulated=is_simulated, today=datetime.now(UTC).date())
    with open_checkpoint(workspace) as checkpoint:
        db = checkpoint.call
        plan = make_plan(context, db)
        db(begin_results)
        yield Results(context, plan, db)


def failure_groups(results: Results) -> list[dict[str, Any]]:
    """Group the rows that did not succeed; the largest group comes first, unsent rows last.

    Each group has its most frequent ``messages``, and in ``messages_total`` the number of all.
    """
    groups = results.db(failures, results.context.job.retry.unknown_attempts)
    by_group: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for message in results.db(failure_messages):
        by_group.setdefault((message.pop("status"), message.pop("error_type")), []).append(message)
    for group in groups:
        messages = by_group.get((group["status"], group["error_type"]), [])
        group["messages_total"] = messages[0]["messages"] if messages else 0
        keys = ("rows", "message", "example_id")
        group["messages"] = [{key: message[key] for key in keys} for message in messages]
    return groups


def find_row(results: Results, row_id: str) -> RowResults | None:
    """Find a row by its id, else by its number (``row:5`` or ``5``); read the input again."""
    ordinal = _ordinal(results, row_id)
    row = None if ordinal is None else _row_at(results, ordinal)
    if row is None:
        return None
    items = results.context.items.items_of(row.ordinal)
    table = results.db(read_results, items[0], items[-1])
    row_results = tuple(table.to_pylist())
    attempts = tuple(_attempts(results, sample["fingerprint"]) for sample in row_results)
    if isinstance(row, BadRow):
        return RowResults(row, Unsendable(row.error_type, row.reason), row_results, attempts)
    return RowResults(row, results.context.maker.request_of(row), row_results, attempts)


def _attempts(results: Results, fingerprint: str | None) -> tuple[dict[str, Any], ...]:
    if fingerprint is None:
        return ()
    return tuple(results.db(attempts_of, bytes.fromhex(fingerprint)))


def nearest_ids(context: JobContext, row_id: str) -> list[str]:
    """Return up to three similar ids from the first 20,000 rows."""
    ids = []
    for chunk in context.source.chunks(_id_columns(context)):
        ids += [context.maker.row_id(row) for row in chunk.rows if isinstance(row, Row)]
        if len(ids) >= _IDS_SEARCHED:
            break
    names = [name for name in islice(ids, _IDS_SEARCHED) if isinstance(name, str)]
    return difflib.get_close_matches(row_id, names, n=3)


def message_of(attempt: dict[str, Any]) -> Message | None:
    """Return the message in the response to an attempt; None when the response has none."""
    if attempt["http_status"] not in (200, None) or attempt["body"] is None:
        return None
    try:
        return parse_message(attempt["body"])
    except UnreadableMessage:
        return None


def last_run_id(results: Results) -> str:
    """Return the id of the last run that has a run.json; empty when no run has."""
    return next(iter(RunHistory(results.context.workspace.state).run_ids), "")


def recorded_cost(attempts: Sequence[dict[str, Any]]) -> Decimal:
    """Return the sum of the known costs of some attempts, in USD."""
    known = (attempt["cost_usd"] for attempt in attempts)
    return sum((cost for cost in known if cost is not None), Decimal(0))


def _first_command(loaded: LoadedJob, *, is_simulated: bool) -> str:
    if not is_simulated and has_checkpoint(Workspace.of(loaded, is_simulated=True)):
        return "there is a simulated run: add --simulate to see it"
    command = f"batcher run {shlex.quote(str(loaded.path))}"
    return f"{command} --simulate" if is_simulated else command


def _ordinal(results: Results, row_id: str) -> int | None:
    items = results.db(find_items, row_id)
    if items:
        return int(items[0]["ordinal"])
    number = row_id.removeprefix("row:")
    if number.isascii() and number.isdigit() and len(number) < 16:
        return int(number) - 1
    return None


def _row_at(results: Results, ordinal: int) -> Row | BadRow | None:
    for chunk in results.context.source.chunks(results.plan.used):
        if chunk.rows[-1].ordinal >= ordinal:
            return next((row for row in chunk.rows if row.ordinal == ordinal), None)
    return None


def _id_columns(context: JobContext) -> frozenset[str]:
    job = context.job
    if job.input.format == "messages-batch":
        return frozenset({"custom_id"})
    return frozenset() if job.input.id is None else frozenset({job.input.id})
