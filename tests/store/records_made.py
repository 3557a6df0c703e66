"""Records for the checkpoint, with only what a test cares about said."""

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
    """A run that begins."""
    return RunStart(run_id, NOW, 1, "host", "boot", "0", origin, "digest", "2026-11-22")


def name(number: int) -> bytes:
    """A fingerprint."""
    return number.to_bytes(16, "big")


def intent(attempt_id: int, fingerprint: int = 1, **changes: Any) -> Intent:
    """An attempt about to be sent."""
    fields = {"run_id": "run", "model": "m", "sent_at": NOW, "worst_case_usd": Decimal(1)}
    return Intent(attempt_id, name(fingerprint), **(fields | changes))


def outcome(attempt_id: int, fingerprint: int = 1, **changes: Any) -> OutcomeRecord:
    """What came of it: a good answer, when nothing else is said."""
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
    unsaid = set(OutcomeRecord.__dataclass_fields__) - {"attempt_id", "fingerprint"}
    return OutcomeRecord(
        attempt_id, name(fingerprint), **(dict.fromkeys(unsaid) | fields | changes)
    )


def plan_row(item: int, fingerprint: int | None = 1, **changes: Any) -> PlanRecord:
    """One answer asked for, of a row that has one."""
    fields: dict[str, Any] = {
        "ordinal": item,
        "sample": 0,
        "file": 0,
        "line": item + 1,
        "id": None,
        "content": None if fingerprint is None else name(fingerprint),
        "worst_case_usd": None if fingerprint is None else Decimal(1),
        "status": None if fingerprint is not None else "errored",
        "error_type": None if fingerprint is not None else "client.bad_row",
        "reason": None if fingerprint is not None else "why",
    }
    named = None if fingerprint is None else name(fingerprint)
    return PlanRecord(item, fingerprint=named, **(fields | changes))


@contextmanager
def opened(folder: Path, **options: Any) -> Iterator[Checkpoint]:
    """A folder's checkpoint, made when it is not there."""
    Checkpoint.create(folder, version="0", now=NOW)
    checkpoint = Checkpoint(folder, **options)
    try:
        yield checkpoint
    finally:
        checkpoint.close()


def count(checkpoint: Checkpoint, table: str) -> int:
    """How many rows a table has."""
    ((number,),) = checkpoint.rows(f"SELECT count(*) FROM {table}")
    return int(number)
