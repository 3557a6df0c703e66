"""Examines one folder's checkpoint: what is wrong with it, and how much of it can be read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from batcher.errors import CheckpointError
from batcher.store.checkpoint import FILE_NAME
from batcher.store.migrations import SCHEMA_VERSION, TABLES
from batcher.store.repair.damaged_copy import DamagedCopy
from batcher.store.repair.damaged_reader import Stored, read_tables, read_version
from batcher.store.repair.file_repair import TAKEN, Finding, log_of
from batcher.store.repair.rescue import TableState, Unknown, rescue, survey
from batcher.store.watermark import Watermark


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found in a checkpoint.

    ``held`` is how many records it once held; ``tables`` is empty when none can be read.
    ``unseen`` is set when a repaired checkpoint was written.
    """

    findings: tuple[Finding, ...]
    held: int
    tables: Mapping[str, TableState] = field(default_factory=dict)
    unseen: Unknown | None = None

    @property
    def read(self) -> int:
        """How many records can be read."""
        return sum(state.read for state in self.tables.values())

    @property
    def missing(self) -> int:
        """How many records there once were and cannot be read; of a newer schema none is missed."""
        if any(finding.kind == "newer" for finding in self.findings):
            return 0
        lost = sum(state.lost for state in self.tables.values())
        return max(lost, self.held - self.read)

    @property
    def answers_lost(self) -> int:
        """How many answers are gone though their cost is known."""
        return sum(state.answers_lost for state in self.tables.values())


def examine(folder: Path, scratch: Path, repaired: Path, now: datetime) -> Examination:
    """Examine a checkpoint that nobody else holds; nothing in ``folder`` is changed.

    A copy of it goes into ``scratch`` and, when something is wrong and something can be read, a
    repaired checkpoint into ``repaired``; both are empty folders.
    """
    held = Watermark(folder).read()
    if not (folder / FILE_NAME).exists():
        return Examination((_gone(folder, held),), held)
    with DamagedCopy(folder, scratch) as copy:
        try:
            version = copy.ask_whole(read_version)
        except CheckpointError as error:
            return Examination((*copy.findings, _unreadable(error, copy.path)), held)
        if version > SCHEMA_VERSION:
            return Examination((*copy.findings, _newer(version)), held)
        try:
            tables = copy.ask_whole(read_tables)
        except CheckpointError as error:
            return Examination((*copy.findings, _unreadable(error, copy.path)), held)
        return _read_through(copy, tables, version, held, (repaired, now))


def _read_through(
    copy: DamagedCopy,
    tables: tuple[Stored, ...],
    version: int,
    held: int,
    target: tuple[Path, datetime],
) -> Examination:
    """Read all of a checkpoint that opens, and write it anew when something is wrong with it."""
    records = sum(stored.rows for stored in tables if stored.name in TABLES)
    if records < held and any(finding.kind == TAKEN for finding in copy.findings):
        damage = CheckpointError(f"{copy.path}: a block of its catalogue is damaged")
        return Examination((_unreadable(damage, copy.path),), held)
    states = survey(copy, tables)
    findings = [*copy.findings, *_damaged_rows(states)]
    known = sum(stored.rows for stored in tables if stored.name in states)
    if known < held:
        findings.append(_missing(held - known, log_of(copy.path).name))
    if version < SCHEMA_VERSION:
        findings.append(_older(version))
    unseen = None
    if not all(finding.is_harmless for finding in findings):
        unseen = rescue(copy, tables, *target)
    return Examination(tuple(findings), held, states, unseen)


def _damaged_rows(states: Mapping[str, TableState]) -> list[Finding]:
    found = []
    for name, state in states.items():
        if state.lost:
            found.append(f"{name}: {state.lost:,} rows cannot be read")
        if state.answers_lost:
            found.append(f"{name}: of {state.answers_lost:,} answers only the cost can be read")
    return [Finding("rows_damaged", message) for message in found]


def _gone(folder: Path, held: int) -> Finding:
    if held:
        return Finding("missing", f"{FILE_NAME} is gone; it held {held:,} records")
    if (folder / f"{FILE_NAME}.new").exists():
        return Finding("unfinished", "its creation was cut short; nothing was recorded", True)
    return Finding("none", "there is no checkpoint; nothing was recorded", True)


def _unreadable(error: CheckpointError, path: Path) -> Finding:
    reason = error.message.replace(str(path.parent), ".").removeprefix(f"./{path.name}: ")
    return Finding("unreadable", f"{FILE_NAME} cannot be opened: {reason}")


def _newer(version: int) -> Finding:
    return Finding(
        "newer",
        f"it was written by a newer batcher: its schema is {version}, ours {SCHEMA_VERSION}; "
        "use that one",
    )


def _older(version: int) -> Finding:
    return Finding(
        "older",
        f"it was written by an older batcher: its schema is {version}, ours {SCHEMA_VERSION}; "
        "the next run brings it up to date",
        is_harmless=True,
    )


def _missing(records: int, log: str) -> Finding:
    return Finding(
        "records_missing",
        f"the last {records:,} records are missing: {log} was cut short or is missing, or the "
        "checkpoint is an older copy",
    )
