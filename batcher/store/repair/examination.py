"""Examines a folder's checkpoint: its problems, and how many of its records can be read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from batcher.errors import CheckpointError
from batcher.store.checkpoint import FILE_NAME
from batcher.store.migrations import SCHEMA_VERSION, TABLES
from batcher.store.repair.damaged_copy import DamagedCopy
from batcher.store.repair.damaged_reader import StoredTable, read_tables, read_version
from batcher.store.repair.file_repair import BLOCK_ACCEPTED, Finding, log_of
from batcher.store.repair.rescue import OpenAttempts, TableState, rescue, survey
from batcher.store.watermark import Watermark


@dataclass(frozen=True, slots=True)
class Examination:
    """The state of a checkpoint.

    ``recorded`` is the number of records that it had. ``tables`` is empty when none can be read.
    ``open_attempts`` is set when a repaired checkpoint was written.
    """

    findings: tuple[Finding, ...]
    recorded: int
    tables: Mapping[str, TableState] = field(default_factory=dict)
    open_attempts: OpenAttempts | None = None

    @property
    def read(self) -> int:
        """The number of readable records."""
        return sum(state.read for state in self.tables.values())

    @property
    def missing(self) -> int:
        """The number of records that cannot be read; 0 for a newer schema, which is not read."""
        if any(finding.kind == "newer" for finding in self.findings):
            return 0
        lost = sum(state.lost for state in self.tables.values())
        return max(lost, self.recorded - self.read)

    @property
    def answers_lost(self) -> int:
        """The number of lost responses whose cost is known."""
        return sum(state.answers_lost for state in self.tables.values())


def examine(folder: Path, scratch: Path, repaired: Path, now: datetime) -> Examination:
    """Examine a checkpoint while holding its lock; nothing in ``folder`` is changed.

    ``scratch`` and ``repaired`` are empty folders. A copy of the checkpoint is written to
    ``scratch``. A damaged checkpoint with readable records is repaired and written to ``repaired``.
    """
    recorded = Watermark(folder).read()
    if not (folder / FILE_NAME).exists():
        return Examination((_missing_file(folder, recorded),), recorded)
    with DamagedCopy(folder, scratch) as copy:
        try:
            version = copy.call_or_accept(read_version)
        except CheckpointError as error:
            return Examination((*copy.findings, _unreadable(error, copy.path)), recorded)
        if version > SCHEMA_VERSION:
            return Examination((*copy.findings, _newer(version)), recorded)
        try:
            tables = copy.call_or_accept(read_tables)
        except CheckpointError as error:
            return Examination((*copy.findings, _unreadable(error, copy.path)), recorded)
        return _read_through(copy, tables, version, recorded, (repaired, now))


def _read_through(
    copy: DamagedCopy,
    tables: tuple[StoredTable, ...],
    version: int,
    recorded: int,
    target: tuple[Path, datetime],
) -> Examination:
    """Read all records of a checkpoint that opens; write a repaired one if it has a problem."""
    records = sum(stored.rows for stored in tables if stored.name in TABLES)
    if records < recorded and any(finding.kind == BLOCK_ACCEPTED for finding in copy.findings):
        damage = CheckpointError(f"{copy.path}: a block of its catalogue is damaged")
        return Examination((_unreadable(damage, copy.path),), recorded)
    states = survey(copy, tables)
    findings = [*copy.findings, *_damaged_rows(states)]
    stored_rows = sum(stored.rows for stored in tables if stored.name in states)
    if stored_rows < recorded:
        findings.append(_missing_records(recorded - stored_rows, log_of(copy.path).name))
    if version < SCHEMA_VERSION:
        findings.append(_older(version))
    open_attempts = None
    if not all(finding.is_harmless for finding in findings):
        open_attempts = rescue(copy, tables, *target)
    return Examination(tuple(findings), recorded, states, open_attempts)


def _damaged_rows(states: Mapping[str, TableState]) -> list[Finding]:
    messages = []
    for name, state in states.items():
        if state.lost:
            messages.append(f"{name}: {state.lost:,} rows cannot be read")
        if state.answers_lost:
            messages.append(
                f"{name}: {state.answers_lost:,} responses are lost; their cost is kept"
            )
    return [Finding("rows_damaged", message) for message in messages]


def _missing_file(folder: Path, recorded: int) -> Finding:
    if recorded:
        return Finding("missing", f"{FILE_NAME} is missing; it had {recorded:,} records")
    if (folder / f"{FILE_NAME}.new").exists():
        return Finding("unfinished", "its creation was interrupted; nothing was recorded", True)
    return Finding("none", "there is no checkpoint; nothing was recorded", True)


def _unreadable(error: CheckpointError, path: Path) -> Finding:
    reason = error.message.replace(str(path.parent), ".").removeprefix(f"./{path.name}: ")
    return Finding("unreadable", f"{FILE_NAME} cannot be opened: {reason}")


def _newer(version: int) -> Finding:
    return Finding(
        "newer",
        f"a newer batcher wrote it: it has schema {version}, this batcher has schema "
        f"{SCHEMA_VERSION}; use the newer batcher",
    )


def _older(version: int) -> Finding:
    return Finding(
        "older",
        f"an older batcher wrote it: it has schema {version}, this batcher has schema "
        f"{SCHEMA_VERSION}; the next run updates it",
        is_harmless=True,
    )


def _missing_records(records: int, log: str) -> Finding:
    return Finding(
        "records_missing",
        f"the last {records:,} records are missing: {log} is truncated or missing, or the "
        "checkpoint is an older copy",
    )
