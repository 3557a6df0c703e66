"""The records of a checkpoint, and the types of their columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pyarrow as pa

from batcher.core.usage_fields import TOKEN_FIELDS
from batcher.late import late_module
from batcher.store.stored_bodies import packed, parts_of

if TYPE_CHECKING:
    import pyarrow.compute as pc
else:
    pc = late_module("pyarrow.compute")

BatchEventName = Literal["created", "absent", "cancel", "ended", "fetched", "lost", "deleted"]

_UTC = pa.timestamp("us", tz="UTC")
_USD = pa.decimal128(38, 18)


@dataclass(frozen=True, slots=True)
class RunStart:
    """The start of a run."""

    run_id: str
    started_at: datetime
    pid: int
    host: str
    boot_id: str
    version: str
    origin: str
    job_digest: str
    prices_as_of: str
    prices_digest: str | None = None
    job: str | None = None


@dataclass(frozen=True, slots=True)
class UsedPrices:
    """A price table that a run uses: its digest and its JSON text."""

    digest: str
    prices: str


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The end of a run; a killed run has none."""

    run_id: str
    ended_at: datetime
    exit_code: int


@dataclass(frozen=True, slots=True)
class Intent:
    """An attempt that is about to be sent; ``worst_case_usd`` is the most that it can cost."""

    attempt_id: int
    fingerprint: bytes
    run_id: str
    model: str
    sent_at: datetime
    worst_case_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """The outcome of an attempt: verdict, usage, exact cost, and the response body as received.

    The result of a batch has no latency and no HTTP status of its own. ``ended_at`` is when the
    outcome was received.
    """

    attempt_id: int
    fingerprint: bytes
    is_final: bool
    status: str
    billing: str
    http_status: int | None
    error_type: str | None
    error_message: str | None
    request_id: str | None
    message_id: str | None
    model: str | None
    stop_reason: str | None
    input_tokens: int | None
    cache_creation_5m_input_tokens: int | None
    cache_creation_1h_input_tokens: int | None
    cache_read_input_tokens: int | None
    output_tokens: int | None
    thinking_tokens: int | None
    cost_usd: Decimal | None
    rates: str | None
    latency_s: float | None
    ttft_s: float | None
    ended_at: datetime
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Settled:
    """A recorded failure turned out to be its row's fault, in this run: from now on it is final."""

    attempt_id: int
    run_id: str


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A Message Batch that is about to be submitted; schema.sql explains the columns."""

    batch: int
    run_id: str
    marker: str
    requests: int
    body_bytes: int
    key_digest: str
    newest_id: str | None
    cache_ttl: str | None
    made_at: datetime


@dataclass(frozen=True, slots=True)
class BatchItem:
    """A request of a batch: its attempt, and what bounds its answer and its turns."""

    attempt_id: int
    batch: int
    max_tokens: int
    turns: int | None


@dataclass(frozen=True, slots=True)
class BatchEvent:
    """An event in the life of a batch; schema.sql lists them. ``id`` is the API's id, if known."""

    batch: int
    event: BatchEventName
    id: str | None
    at: datetime


class PlanRecord(NamedTuple):
    """An item, one answer that the input asks for; plans.sql explains the columns."""

    item: int
    ordinal: int
    sample: int
    file: int
    line: int
    id: str | None
    fingerprint: bytes | None
    content: bytes | None
    worst_case_usd: Decimal | None
    status: str | None
    error_type: str | None
    reason: str | None
    price_group: str | None = None
    prompt_tokens: float | None = None
    max_prompt_tokens: int | None = None
    max_tokens: int | None = None
    repairs_usd: Decimal | None = None


class PrefixRecord(NamedTuple):
    """A prefix of an item's prompt, which other items may share; see plans.sql."""

    item: int
    level: int
    prefix: bytes
    tokens: float = 0.0


@dataclass(frozen=True, slots=True)
class BodyPart:
    """A part of a very long response body, as it is stored; ``parts`` is how many it has."""

    attempt_id: int
    part: int
    parts: int
    data: bytes


Record = (
    RunStart
    | RunEnd
    | UsedPrices
    | Intent
    | OutcomeRecord
    | BodyPart
    | Settled
    | PlanRecord
    | PrefixRecord
    | BatchRecord
    | BatchItem
    | BatchEvent
)

_TYPES: dict[str, pa.DataType] = {
    "fingerprint": pa.uuid(),
    "content": pa.uuid(),
    "prefix": pa.uuid(),
    "is_final": pa.bool_(),
    "http_status": pa.int16(),
    "worst_case_usd": _USD,
    "repairs_usd": _USD,
    "cost_usd": _USD,
    "latency_s": pa.float64(),
    "prompt_tokens": pa.float64(),
    "tokens": pa.float64(),
    "ttft_s": pa.float64(),
    "started_at": _UTC,
    "sent_at": _UTC,
    "ended_at": _UTC,
    "made_at": _UTC,
    "at": _UTC,
    "body": pa.binary(),
    "data": pa.binary(),
    "level": pa.int8(),
    **dict.fromkeys(
        ["part", "parts", "sample", "file", "exit_code", "requests", "turns"], pa.int32()
    ),
    **dict.fromkeys(
        [
            "attempt_id", "pid", "item", "body_bytes", "ordinal", "line", "max_tokens",
            "max_prompt_tokens", "batch", *TOKEN_FIELDS,
        ],
        pa.int64(),
    ),
}  # fmt: skip


def to_arrow(records: "list[Any]") -> pa.Table:
    """Convert records of one class to a table."""
    return _table(_columns(records))


def to_tables(groups: Mapping[str, Sequence[Record]]) -> dict[str, pa.Table]:
    """Convert groups of records by the name of their table; very long bodies become parts."""
    tables: dict[str, pa.Table] = {}
    for name, records in groups.items():
        if not records:
            continue
        columns = _columns(list(records))
        if isinstance(records[0], OutcomeRecord):
            parts = _store_bodies(columns)
            tables[name] = _table(columns)
            if parts:
                tables["body_parts"] = to_arrow(parts)
        else:
            tables[name] = _table(columns)
    return tables


def longest_stored(tables: Mapping[str, pa.Table]) -> int:
    """Return the size of the longest body, or part of one, as it is stored, in bytes."""
    stored = (("outcomes", "body"), ("body_parts", "data"))
    columns = [tables[name].column(column) for name, column in stored if name in tables]
    return max((pc.max(pc.binary_length(column)).as_py() or 0 for column in columns), default=0)


def _columns(records: "list[Any]") -> dict[str, tuple[Any, ...]]:
    if isinstance(records[0], PlanRecord | PrefixRecord):
        return dict(zip(records[0]._fields, zip(*records, strict=True), strict=True))
    names = [field.name for field in fields(records[0])]
    columns = zip(*map(attrgetter(*names), records), strict=True)
    return dict(zip(names, columns, strict=True))


def _store_bodies(outcomes: dict[str, tuple[Any, ...]]) -> list[BodyPart]:
    """Replace the bodies by what is stored in their column; return the parts of the others."""
    bodies, parts = outcomes["body"], list[BodyPart]()
    stored = [None if body is None else packed(body) for body in bodies]
    for place, (attempt_id, body) in enumerate(zip(outcomes["attempt_id"], stored, strict=True)):
        pieces = [] if body is None else list(parts_of(body))
        if pieces:
            stored[place] = None
            parts += (BodyPart(attempt_id, n, len(pieces), each) for n, each in enumerate(pieces))
    outcomes["body_bytes"] = tuple(None if body is None else len(body) for body in bodies)
    outcomes["body"] = tuple(stored)
    return parts


def _table(columns: Mapping[str, tuple[Any, ...]]) -> pa.Table:
    return pa.table(
        {name: _array(column, _TYPES.get(name, pa.string())) for name, column in columns.items()}
    )


def _array(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    if isinstance(kind, pa.UuidType):
        return pa.ExtensionArray.from_storage(kind, pa.array(values, pa.binary(16)))
    return pa.array(values, kind)
