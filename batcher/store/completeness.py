"""Decides whether a checkpoint is complete: whether its files belong together and lack nothing."""

from pathlib import Path
from uuid import UUID

from batcher.core.plural import counted
from batcher.errors import DamageError
from batcher.store.migrations import VERSION_WITH_ID, VERSION_WITH_WATERMARK
from batcher.store.watermark import Mark

_TOGETHER = (
    "copy checkpoint.duckdb, its .wal and .journal (where they exist) and watermark from the same "
    "folder"
)
_THEN = "or run batcher doctor JOB; a run without the missing records would pay for them again"


def needs_watermark(version: int, records: int) -> bool:
    """Return whether a checkpoint of this schema version must have a watermark beside it."""
    return version >= VERSION_WITH_ID or (version >= VERSION_WITH_WATERMARK and records > 0)


def belongs_to(mark: Mark, checkpoint_id: UUID | None) -> bool:
    """Return whether a watermark belongs to a checkpoint; that of an older schema has no id."""
    return checkpoint_id is None or mark.checkpoint == checkpoint_id


def check_complete(
    path: Path, version: int, records: int, checkpoint_id: UUID | None, mark: Mark | None
) -> None:
    """Raise DamageError for a checkpoint that is incomplete, as far as its watermark tells.

    ``records`` is what the database and its log have.
    """
    if mark is None:
        if needs_watermark(version, records):
            raise DamageError(
                f"{path} is incomplete: the file watermark is missing or damaged, so nothing tells "
                "how many records there were",
                hint=f"{_TOGETHER}, {_THEN}",
            )
    elif not belongs_to(mark, checkpoint_id):
        raise DamageError(
            f"{path} and the file watermark beside it belong to different checkpoints",
            hint=f"{_TOGETHER}, {_THEN}",
        )
    elif records < mark.records:
        raise DamageError(
            f"{path} has {counted(records, 'record')}, but it had {mark.records:,}: its log "
            f"{path.name}.wal is missing or truncated, or this is an older copy",
            hint=f"restore the missing file, {_THEN}",
        )
