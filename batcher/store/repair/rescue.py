"""Reads all readable records of a damaged checkpoint and writes them to a new one.

Some columns of an outcome may be damaged and others not. Without the columns of the bill the
outcome is dropped; the billing status of its attempt is then unknown. When the response, a part of
it or the verdict is damaged, the outcome stays for the bill, and the request is sent again.
Damaged columns that only describe the response become null. Damaged rows of other tables are
dropped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from batcher.core.usage_fields import TOKEN_FIELDS
from batcher.errors import CheckpointError
from batcher.store.checkpoint import Checkpoint
from batcher.store.journal import JournalGroup
from batcher.store.migrations import TABLES
from batcher.store.queries import queries
from batcher.store.repair.damaged_copy import DamagedCopy
from batcher.store.repair.damaged_reader import Span, StoredTable, read_rows

ANSWER_LOST = "client.answer_lost"
"""The error type of an outcome that was paid for and whose response was lost through damage."""

_LOST_MESSAGE = "the response was paid for, but lost when the checkpoint was damaged"
_BILL = ("attempt_id", "fingerprint", "billing", "cost_usd", *TOKEN_FIELDS)
_DETAILS = ("request_id", "message_id", "error_message", "latency_s", "ttft_s", "ended_at")
_REPAIR = queries("repair")


@dataclass(frozen=True, slots=True)
class TableState:
    """The numbers of readable and of lost rows of a table.

    ``answers_lost`` of the readable rows are outcomes of which only the cost is left.
    """

    read: int = 0
    lost: int = 0
    answers_lost: int = 0


@dataclass(frozen=True, slots=True)
class OpenAttempts:
    """Attempts without an outcome, and the most that they can have cost in USD.

    ``unbounded`` of them have no bound and are not in ``at_most_usd``.
    """

    attempts: int
    at_most_usd: Decimal
    unbounded: int


@dataclass(frozen=True, slots=True)
class Rescued:
    """A repaired checkpoint: its open attempts, and the answers of which a part was lost."""

    open_attempts: OpenAttempts
    incomplete_answers: int


@dataclass(frozen=True, slots=True)
class _Part:
    """The readable rows of one span."""

    rows: pa.Table | None
    state: TableState


def survey(copy: DamagedCopy, tables: Sequence[StoredTable]) -> dict[str, TableState]:
    """Read every column of every row once, and count the readable rows."""
    states = {}
    for stored in _in_order(tables):
        state = TableState()
        for part in _parts(copy, stored):
            state = _add(state, part.state)
        states[stored.name] = state
    return states


def rescue(
    copy: DamagedCopy,
    tables: Sequence[StoredTable],
    journaled: Sequence[JournalGroup],
    folder: Path,
    now: datetime,
) -> Rescued:
    """Write all readable records to a new checkpoint in an empty folder, in the same order.

    ``journaled`` are groups that only the journal has.
    """
    Checkpoint.create(folder, version="repaired", now=now)
    checkpoint = Checkpoint(folder)
    try:
        for stored in _in_order(tables):
            for part in _parts(copy, stored):
                if part.rows is not None:
                    _put(checkpoint, stored.name, part.rows)
        for group in journaled:
            _put(checkpoint, group.table, group.rows)
        incomplete = _lose_incomplete(checkpoint)
        checkpoint.add(_REPAIR["remake_attempts"], now=now)
        ((attempts, at_most_usd, unbounded),) = checkpoint.rows(_REPAIR["open_attempts"])
    finally:
        checkpoint.close()
    return Rescued(OpenAttempts(attempts, at_most_usd, unbounded), incomplete)


def _lose_incomplete(checkpoint: Checkpoint) -> int:
    """Turn the answers that lack a part into lost ones; return how many were final."""
    checkpoint.execute(_REPAIR["create_incomplete"])
    ((incomplete,),) = checkpoint.rows(_REPAIR["count_incomplete"])
    checkpoint.execute(_REPAIR["lose_incomplete"], type=ANSWER_LOST, message=_LOST_MESSAGE)
    checkpoint.execute(_REPAIR["forget_incomplete"])
    return int(incomplete)


def _in_order(tables: Sequence[StoredTable]) -> Iterator[StoredTable]:
    by_name = {stored.name: stored for stored in tables}
    yield from (by_name[name] for name in TABLES if name in by_name)


def _put(checkpoint: Checkpoint, table: str, rows: pa.Table) -> None:
    sql = f"INSERT INTO {table} BY NAME SELECT * FROM rescued"  # noqa: S608
    checkpoint.with_table("rescued", rows, sql)
    checkpoint.checkpoint_if_due()


def _parts(copy: DamagedCopy, stored: StoredTable) -> Iterator[_Part]:
    for span in stored.spans:
        rows = _read(copy, stored, stored.columns, span)
        if rows is not None:
            yield _Part(rows, TableState(read=span.rows))
        elif stored.name == "outcomes":
            yield _part_of_outcomes(copy, stored, span)
        else:
            yield _Part(None, TableState(lost=span.rows))


def _read(
    copy: DamagedCopy, stored: StoredTable, columns: Sequence[str], span: Span
) -> pa.Table | None:
    """Read some columns of a span; None when one of them is damaged."""
    try:
        return copy.call(read_rows, stored.name, columns, span)
    except CheckpointError:
        return None


def _part_of_outcomes(copy: DamagedCopy, stored: StoredTable, span: Span) -> _Part:
    """Read the columns of outcomes in groups: bill, details, verdict and body."""
    others = {*_BILL, *_DETAILS, "body"}
    verdict_columns = [name for name in stored.columns if name not in others]
    bill, details, verdict, body = (
        _read(copy, stored, columns, span)
        for columns in (_BILL, _DETAILS, verdict_columns, ("body",))
    )
    if bill is None:
        return _Part(None, TableState(lost=span.rows))
    columns = _columns(bill, details)
    state = TableState(read=span.rows)
    if verdict is None:
        columns |= _lost(pa.array([True] * span.rows), {})
        state = replace(state, answers_lost=span.rows)
    elif body is None:
        columns |= _lost(verdict.column("is_final"), _columns(details, verdict))
        state = replace(state, answers_lost=pc.sum(verdict.column("is_final")).as_py())
    else:
        columns |= _columns(verdict, body)
    return _Part(pa.table(columns), state)


def _columns(*tables: pa.Table | None) -> dict[str, Any]:
    return {
        name: table.column(name)
        for table in tables
        if table is not None
        for name in table.column_names
    }


def _lost(is_lost: Any, known: dict[str, Any]) -> dict[str, Any]:
    """Return the verdict on lost responses: not final, so that the requests are sent again."""
    nothing = pa.nulls(len(is_lost), pa.string())
    verdicts = {"status": "errored", "error_type": ANSWER_LOST, "error_message": _LOST_MESSAGE}
    return known | {
        "is_final": pa.array([False] * len(is_lost)),
        "body_bytes": pa.nulls(len(is_lost), pa.int64()),
        **{
            name: pc.if_else(is_lost, text, known.get(name, nothing))
            for name, text in verdicts.items()
        },
    }


def _add(total: TableState, part: TableState) -> TableState:
    return TableState(
        total.read + part.read, total.lost + part.lost, total.answers_lost + part.answers_lost
    )
