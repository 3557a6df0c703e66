"""Example results, with the columns of the store's query."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

RESULTS = pa.schema(
    [
        ("item", pa.int64()),
        ("ordinal", pa.int64()),
        ("sample", pa.int32()),
        ("id", pa.string()),
        ("fingerprint", pa.string()),
        ("is_shared", pa.bool_()),
        ("is_final", pa.bool_()),
        ("attempts", pa.int64()),
        ("unknown_attempts", pa.int64()),
        ("first_sent_at", pa.timestamp("us", tz="UTC")),
        ("cost_usd", pa.decimal128(38, 18)),
        ("unpriced", pa.int64()),
        ("status", pa.string()),
        ("error_type", pa.string()),
        ("error_message", pa.string()),
        ("attempt_id", pa.int64()),
        ("http_status", pa.int16()),
        ("request_id", pa.string()),
        ("message_id", pa.string()),
        ("model", pa.string()),
        ("stop_reason", pa.string()),
        ("input_tokens", pa.int64()),
        ("cache_creation_5m_input_tokens", pa.int64()),
        ("cache_creation_1h_input_tokens", pa.int64()),
        ("cache_read_input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("thinking_tokens", pa.int64()),
        ("latency_s", pa.float64()),
        ("ttft_s", pa.float64()),
        ("run_id", pa.string()),
        ("received_by", pa.string()),
        ("body", pa.binary()),
        ("delivery", pa.string()),
    ]
)
SENT = datetime(2026, 11, 22, 10, tzinfo=UTC)


def body(**changes: Any) -> bytes:
    """Return the body of a message with one text block."""
    fields = {"type": "message", "content": [{"type": "text", "text": "ja"}]}
    return json.dumps(fields | changes).encode()


def answered(ordinal: int = 0, **changes: Any) -> dict[str, Any]:
    """Return the result of a row with a good answer; ``changes`` replace columns."""
    return {
        "item": ordinal,
        "ordinal": ordinal,
        "sample": 0,
        "id": f"row {ordinal}",
        "fingerprint": f"{ordinal:032x}",
        "is_shared": False,
        "is_final": True,
        "attempts": 1,
        "unknown_attempts": 0,
        "first_sent_at": SENT,
        "cost_usd": Decimal("0.25"),
        "unpriced": 0,
        "status": "succeeded",
        "attempt_id": ordinal + 1,
        "http_status": 200,
        "stop_reason": "end_turn",
        "input_tokens": 100,
        "output_tokens": 10,
        "latency_s": 1.5,
        "run_id": "run",
        "received_by": "run",
        "delivery": "live",
        "body": body(),
    } | changes


def unsent(ordinal: int = 0, **changes: Any) -> dict[str, Any]:
    """Return the result of a row without a request; most of its columns are null."""
    return {
        "item": ordinal,
        "ordinal": ordinal,
        "sample": 0,
        "is_final": False,
        "status": "errored",
        "error_type": "client.bad_row",
        "error_message": "why",
    } | changes


def table(*rows: dict[str, Any]) -> pa.Table:
    """Return a table of results; a column that a row does not have is null."""
    return pa.Table.from_pylist(list(rows), schema=RESULTS)
