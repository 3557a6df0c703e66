"""Records for the checkpoint; a test sets only the fields that it is about."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from batcher.store.checkpoint import Checkpoint
from batcher.store.records import Intent, OutcomeRecord, PlanRecord, RunStart

NOW = datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC)


def run(run_id: str = "run", origin: str = "https://api.anthropic.com") -> RunStart:
    """The start of a run."""
    return RunStart(run_id, NOW, 1, "host", "boot", "0", origin, "digest", "2026-11-22")


def fingerprint_of(number: int) -> bytes:
    """A fingerprint, made from a number."""
    return number.to_bytes(16, "big")


def intent(attempt_id: int, fingerprint: int = 1, **changes: Any) -> Intent:
    """The record of an attempt; its worst case is 1 USD by default."""
    fields = {"run_id": "run", "model": "m", "sent_at": NOW, "worst_case_usd": Decimal(1)}
    return Intent(attempt_id, fingerprint_of(fingerprint), **(fields | changes))


def outcome(attempt_id: int, fingerprint: int = 1, **changes: Any) -> OutcomeRecord:
    """The outcome of an attempt; a good answer by default."""
    fields: dict[str, Any] = {
        "is_final": True,
        "status": "succeeded",
        "billing": "billed",
        "http_status": 200,
        "input_tokens": 10,
        "output_tokens": 5,
        "cost_usd": Decimal("0.001"),
        "latency_s": 1.0,
        "ended_at": NOW,
        "body": b"{}",
    }
    unset = set(OutcomeRecord.__dataclass_fields__) - {"attempt_id", "fingerprint"}
    return OutcomeRecord(
        attempt_id, fingerprint_of(fingerprint), **(dict.fromkeys(unset) | fields | changes)
    )


def plan_row(item: int, fingerprint: int | None = 1, **changes: Any) -> PlanRecord:
    """An item of the plan; a bad row without a request when ``fingerprint`` is None."""
    fields: dict[str, Any] = {
        "ordinal": item,
        "sample": 0,
        "file": 0,
        "line": item + 1,
        "id": None,
        "content": None if fingerprint is None else fingerprint_of(fingerprint),
        "worst_case_usd": None if fingerprint is None else Decimal(1),
        "status": None if fingerprint is not None else "errored",
        "error_type": None if fingerprint is not None else "client.bad_row",
        "reason": None if fingerprint is not None else "the reason",
    }
    request = None if fingerprint is None else fingerprint_of(fingerprint)
    return PlanRecord(item, fingerprint=request, **(fields | changes))


@contextmanager
def opened(folder: Path, **options: Any) -> Iterator[Checkpoint]:
    """Open a folder's checkpoint; create it first if it does not exist."""
    Checkpoint.create(folder, version="0", now=NOW)
    checkpoint = Checkpoint(folder, **options)
    try:
        yield checkpoint
    finally:
        checkpoint.close()


def count(checkpoint: Checkpoint, table: str) -> int:
    """Count the rows of a table."""
    ((number,),) = checkpoint.rows(f"SELECT count(*) FROM {table}")
    return int(number)
