"""Creates an empty checkpoint atomically, with its watermark."""

import contextlib
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import duckdb

from batcher.core.plural import counted
from batcher.errors import DamageError
from batcher.store.database import checkpoint_error, connect, sync_folder
from batcher.store.migrations import SCHEMA_VERSION
from batcher.store.queries import script
from batcher.store.watermark import Mark, Watermark


def create_checkpoint(path: Path, version: str, now: datetime) -> None:
    """Create a checkpoint's file under a temporary name, and rename it.

    DuckDB cannot open a file whose creation was interrupted. The watermark is there before the
    file, so that a checkpoint without one is incomplete. Raises DamageError when the watermark says
    that there was a checkpoint with records.
    """
    folder, watermark = path.parent, Watermark(path.parent)
    mark = watermark.read()
    if mark is not None and mark.records:
        raise DamageError(
            f"{path} is missing; it had {counted(mark.records, 'record')} that may be paid for",
            hint=f"restore the file; to start again and pay again, move {folder} away",
        )
    temporary = path.with_name(f"{path.name}.new")
    for leftover in (temporary, temporary.with_name(f"{temporary.name}.wal")):
        leftover.unlink(missing_ok=True)
    connection, checkpoint_id = connect(temporary, is_read_only=False), uuid4()
    try:
        connection.execute(script("schema"))
        connection.execute(
            "INSERT INTO checkpoint VALUES (?, ?, ?, ?)",
            [SCHEMA_VERSION, now, version, checkpoint_id],
        )
        connection.execute("CHECKPOINT c")
    except duckdb.Error as error:
        raise checkpoint_error(path, error) from None
    finally:
        connection.close()
    with contextlib.closing(watermark):
        watermark.write_durably(Mark(0, checkpoint_id))
    temporary.rename(path)
    sync_folder(folder)
