"""Examines a folder's checkpoint: its problems, and how many of its records can be read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from batcher.core.plural import counted
from batcher.errors import CheckpointError
from batcher.store.checkpoint import FILE_NAME
from batcher.store.completeness import belongs_to, needs_watermark
from batcher.store.journal import FILE_NAME as JOURNAL_NAME
from batcher.store.journal import JournalGroup, read_journal
from batcher.store.migrations import SCHEMA_VERSION, TABLES
from batcher.store.repair.damaged_copy import DamagedCopy
from batcher.store.repair.damaged_reader import (
    Identity,
    StoredTable,
    read_identity,
    read_tables,
)
from batcher.store.repair.file_repair import BLOCK_ACCEPTED, Finding, log_of
from batcher.store.repair.rescue import OpenAttempts, TableState, rescue, survey
from batcher.store.watermark import Mark, Watermark


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
    mark = Watermark(folder).read()
    recorded = 0 if mark is None else mark.records
    if not (folder / FILE_NAME).exists():
        return Examination((_missing_file(folder, recorded),), recorded)
    with DamagedCopy(folder, scratch) as copy:
        try:
            identity = copy.call_or_accept(read_identity)
            if identity.version > SCHEMA_VERSION:
                return Examination((*copy.findings, _newer(identity.version)), recorded)
            tables = copy.call_or_accept(read_tables)
        except CheckpointError as error:
            return Examination((*copy.findings, _unreadable(error, copy.path)), recorded)
        return _ReadThrough(folder, copy, tables, identity, mark).examination(repaired, now)


@dataclass(frozen=True, slots=True)
class _ReadThrough:
    """A checkpoint that opens: its tables, and the files beside it."""

    folder: Path
    copy: DamagedCopy
    tables: tuple[StoredTable, ...]
    identity: Identity
    mark: Mark | None

    def examination(self, repaired: Path, now: datetime) -> Examination:
        """Read all records; write a repaired checkpoint if there is a problem."""
        copy, recorded = self.copy, self._recorded()
        journaled, stored = self._journaled(), self._stored_rows()
        restored = sum(group.rows.num_rows for group in journaled)
        accepted = any(finding.kind == BLOCK_ACCEPTED for finding in copy.findings)
        if stored + restored < recorded and accepted:
            damage = CheckpointError(f"{copy.path}: a block of its catalogue is damaged")
            return Examination((_unreadable(damage, copy.path),), recorded)
        states = survey(copy, self.tables)
        findings = [*copy.findings, *self._misfits(), *_damaged_rows(states)]
        if restored:
            findings.append(_restored(restored, recorded - stored))
        if stored + restored < recorded:
            findings.append(_missing_records(recorded - stored - restored, log_of(copy.path).name))
        if self.identity.version < SCHEMA_VERSION:
            findings.append(_older(self.identity.version))
        open_attempts = None
        if not all(finding.is_harmless for finding in findings):
            rescued = rescue(copy, self.tables, journaled, repaired, now)
            open_attempts = rescued.open_attempts
            if rescued.incomplete_answers:
                state = TableState(answers_lost=rescued.incomplete_answers)
                findings += _damaged_rows({"body_parts": state})
                states["body_parts"] = replace(
                    states.get("body_parts", TableState()), answers_lost=state.answers_lost
                )
        for group in journaled:
            state = states.get(group.table, TableState())
            states[group.table] = replace(state, read=state.read + group.rows.num_rows)
        return Examination(tuple(findings), recorded, states, open_attempts)

    def _stored_rows(self) -> int:
        return sum(stored.rows for stored in self.tables if stored.name in TABLES)

    def _recorded(self) -> int:
        """Return how many records there were, as far as a watermark of this checkpoint tells."""
        is_own = self.mark is not None and belongs_to(self.mark, self.identity.id)
        return self.mark.records if self.mark is not None and is_own else 0

    def _journaled(self) -> list[JournalGroup]:
        """Return the groups that the journal has and the database and its log have not."""
        if self.identity.id is None:
            return []
        groups, first = [], self._stored_rows()
        for group in read_journal(self.folder / JOURNAL_NAME, self.identity.id):
            if group.first >= first and group.table in TABLES:
                groups.append(group)
                first = group.first + group.rows.num_rows
        return groups

    def _misfits(self) -> Iterator[Finding]:
        """Say which of the files that belong together is missing, or belongs elsewhere."""
        if self.mark is None:
            if needs_watermark(self.identity.version, self._stored_rows()):
                yield _incomplete()
        elif not belongs_to(self.mark, self.identity.id):
            yield _foreign()


def _damaged_rows(states: Mapping[str, TableState]) -> list[Finding]:
    messages = []
    for name, state in states.items():
        if state.lost:
            messages.append(f"{name}: {counted(state.lost, 'row')} cannot be read")
        if state.answers_lost:
            lost = counted(state.answers_lost, "response is", "responses are")
            messages.append(f"{name}: {lost} lost; the cost is kept")
    return [Finding("rows_damaged", message) for message in messages]


def _missing_file(folder: Path, recorded: int) -> Finding:
    if recorded:
        return Finding("missing", f"{FILE_NAME} is missing; it had {counted(recorded, 'record')}")
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


def _incomplete() -> Finding:
    return Finding(
        "incomplete",
        "watermark is missing or damaged, so nothing tells how many records there were; a copy "
        f"needs {FILE_NAME}, {FILE_NAME}.wal and {JOURNAL_NAME} (where they exist) and watermark; "
        "if you have them, put them here and run doctor again",
    )


def _foreign() -> Finding:
    return Finding(
        "foreign",
        f"{FILE_NAME} and watermark belong to different checkpoints; if you have the files that "
        "belong together, put them here and run doctor again",
    )


def _restored(records: int, missing: int) -> Finding:
    which = "they" if records >= missing else f"{records:,} of them"
    verb = "are" if records >= missing or records > 1 else "is"
    return Finding(
        "journal_used",
        f"{FILE_NAME} lacks {counted(max(missing, records), 'record')} of its log; {which} {verb} "
        f"restored from {JOURNAL_NAME}",
    )


def _missing_records(records: int, log: str) -> Finding:
    missing = counted(records, "record is", "records are")
    return Finding(
        "records_missing",
        f"{missing} missing at the end: {log} is truncated or missing, or the checkpoint is an "
        "older copy",
    )
