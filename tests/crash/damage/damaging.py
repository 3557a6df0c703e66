"""A checkpoint as a killed run leaves it, ways to damage it, and a verdict on the damage."""

import hashlib
import os
import random
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pyarrow as pa

from batcher.errors import CheckpointError
from batcher.store.checkpoint import FILE_NAME, Checkpoint
from batcher.store.journal import FILE_NAME as JOURNAL
from batcher.store.migrations import TABLES
from batcher.store.records import (
    BatchEvent,
    BatchItem,
    BatchRecord,
    Intent,
    OutcomeRecord,
    Record,
    RunStart,
)

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
LOG = f"{FILE_NAME}.wal"
STATE = (FILE_NAME, LOG, JOURNAL, "watermark")


def records_of(number: int, rng: random.Random, longest: int) -> tuple[Intent, OutcomeRecord]:
    """Make an attempt and its outcome; every fourth body is three times as long."""
    name = hashlib.blake2b(b"%d" % number, digest_size=16).digest()
    worst, cost = (Decimal(rng.randrange(10**7)) / 10**9 for _ in range(2))
    size = rng.randrange(longest // 8, longest) * (1 if number % 4 else 3)
    sent_at = NOW + timedelta(milliseconds=number)
    tokens = [rng.randrange(1000) for _ in range(6)]
    return (
        Intent(number, name, "run", "model", sent_at, worst),
        OutcomeRecord(
            number, name, True, "succeeded", "billed", 200, None, None,
            f"req_{rng.getrandbits(64):x}", f"msg_{rng.getrandbits(64):x}", "model", "end_turn",
            *tokens, cost, "standard", rng.random(), None, sent_at, rng.randbytes(size),
        ),
    )  # fmt: skip


def build(
    folder: Path, *, parts: int = 3, rows: int = 500, logged: int = 300, longest: int = 900
) -> None:
    """Create a checkpoint with ``parts`` parts of ``rows`` rows, and ``logged`` rows in its log.

    DuckDB's row groups have 16,384 rows; a larger part begins a new one.
    """
    folder.mkdir()
    rng = random.Random(1)
    working = folder / "working"
    working.mkdir()
    Checkpoint.create(working, version="0", now=NOW)
    checkpoint = Checkpoint(working)
    start = RunStart("run", NOW, 1, "host", "boot", "0", "https://x", "digest", "2026-11-22")
    checkpoint.commit({"runs": [start]})
    for part in range(parts):
        _fill(checkpoint, rng, range(part * rows, (part + 1) * rows), longest)
        checkpoint.add(
            "INSERT INTO rows_seen SELECT md5((range + $first)::VARCHAR)::UUID, uuid(), uuid(), "
            "uuid() FROM range($rows)",
            first=part * rows, rows=rows,
        )  # fmt: skip
        checkpoint.execute("CHECKPOINT c")
    _fill(checkpoint, rng, range(parts * rows, parts * rows + logged), longest)
    # DuckDB folds the log into the file when it closes; a killed run does not close it.
    copies = {name: (working / name).read_bytes() for name in STATE}
    checkpoint.close()
    for name, content in copies.items():
        (folder / name).write_bytes(content)
    shutil.rmtree(working)


def _fill(checkpoint: Checkpoint, rng: random.Random, numbers: range, longest: int) -> None:
    step = max(50, len(numbers) // 10)
    for start in range(0, len(numbers), step):
        pairs = [records_of(number + 1, rng, longest) for number in numbers[start : start + step]]
        groups: dict[str, list[Record]] = {
            "attempts": [intent for intent, _ in pairs],
            "outcomes": [outcome for _, outcome in pairs],
            **_batch(start, [intent.attempt_id for intent, _ in pairs]),
        }
        checkpoint.commit(groups)


def _batch(number: int, attempt_ids: list[int]) -> dict[str, list[Record]]:
    """Return the records of a batch with these attempts, whose results were all fetched."""
    record = BatchRecord(
        number, "run", f"m{number}", len(attempt_ids), 1000, "key", None, None, NOW
    )
    return {
        "batches": [record],
        "batch_items": [BatchItem(attempt_id, number, 100, None) for attempt_id in attempt_ids],
        "batch_events": [
            BatchEvent(number, "created", f"msgbatch_{number}", NOW),
            BatchEvent(number, "fetched", None, NOW),
        ],
    }


@dataclass(frozen=True)
class Damage:
    """A flipped bit in a file, or a truncation of the file at a byte."""

    kind: Literal["flip", "truncation"]
    file: str
    byte: int
    bit: int = 0

    def apply(self, folder: Path) -> None:
        """Damage a file of the folder."""
        path = folder / self.file
        if self.kind == "truncation":
            os.truncate(path, self.byte)
            return
        with path.open("r+b") as file:
            file.seek(self.byte)
            (byte,) = file.read(1)
            file.seek(self.byte)
            file.write(bytes([byte ^ 1 << self.bit]))


def random_damage(seed: int, folder: Path, files: tuple[str, ...]) -> Damage:
    """Return the damage of a seed: files alternate; three of four damages are flipped bits."""
    rng = random.Random(seed)
    file = files[seed % len(files)]
    size = (folder / file).stat().st_size
    kind: Literal["flip", "truncation"] = "truncation" if seed // len(files) % 4 == 0 else "flip"
    return Damage(kind, file, rng.randrange(size), rng.randrange(8))


def copy_of(folder: Path, target: Path) -> Path:
    """Copy a state folder, replacing an earlier copy."""
    target.mkdir(exist_ok=True)
    for name in STATE:
        (target / name).unlink(missing_ok=True)
        if (folder / name).exists():
            shutil.copyfile(folder / name, target / name)
    return target


def content_of(folder: Path) -> dict[str, pa.Table]:
    """Return all rows of all tables, in stored order; CheckpointError when one is damaged."""
    checkpoint = Checkpoint(folder, is_read_only=True)
    try:
        return {name: checkpoint.table(f"SELECT * FROM {name}") for name in TABLES}
    finally:
        checkpoint.close()


def verdict_on(folder: Path, undamaged: dict[str, pa.Table]) -> str:
    """Read a damaged copy and return ``detected``, ``harmless`` or ``SILENTLY WRONG``."""
    try:
        content = content_of(folder)
    except CheckpointError:
        return "detected"
    is_same = all(content[name].equals(table) for name, table in undamaged.items())
    return "harmless" if is_same else "SILENTLY WRONG"
