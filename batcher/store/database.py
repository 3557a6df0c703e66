"""DuckDB's settings for a checkpoint, and its errors as CheckpointError."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb

from batcher.errors import CheckpointError, DamageError
from batcher.store.disk_space import disk_full, is_full
from batcher.store.spare_files import is_out_of_files

MEMORY_BYTES = 64 << 20
_SETTINGS = {
    "threads": "1",
    "memory_limit": f"{MEMORY_BYTES}B",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "checkpoint_threshold": "1GB",
    "force_compression": "zstd",
}


_DAMAGED = re.compile(
    "corrupt|not a valid DuckDB|could not read (enough|all)|WAL (file|was|does)|deseriali[sz]e",
    re.IGNORECASE,
)
_DOCTOR_HINT = (
    "the file is damaged: batcher doctor JOB reports the damage and saves the readable part"
)
_FILES_HINT = "raise the number of open files (ulimit -n), or lower limits.concurrency"


def connect(path: Path, *, is_read_only: bool) -> duckdb.DuckDBPyConnection:
    """Attach a database file as ``c``; the connection can access no other file.

    Closing the connection leaves the write-ahead log as it is, unless ``fold_on_close`` was called.
    Raises CheckpointError when the file cannot be opened.
    """
    connection = duckdb.connect(
        ":memory:", config={**_SETTINGS, "temp_directory": str(path.parent / "spill")}
    )
    mode = "READ_ONLY" if is_read_only else "ROW_GROUP_SIZE 16384"
    quoted = str(path).replace("'", "''")
    try:
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        connection.execute(f"ATTACH '{quoted}' AS c ({mode}); USE c")
        # From here on the connection can access no other file.
        connection.execute("SET TimeZone = 'UTC'; SET python_enable_replacements = false")
        connection.execute("SET enable_external_access = false")
    except duckdb.Error as error:
        connection.close()
        if is_full(str(error)):
            raise disk_full(path.parent) from None
        if _is_damage(error):
            raise DamageError(_reason(path, error), hint=_DOCTOR_HINT) from None
        hint = "make the file readable; nothing was changed"
        if is_out_of_files(str(error)):
            hint = _FILES_HINT
        raise CheckpointError(_reason(path, error), hint=hint) from None
    return connection


def fold_on_close(connection: duckdb.DuckDBPyConnection) -> None:
    """Make closing fold the log into the file; call it only for a complete checkpoint.

    Afterwards nobody can see that a part of the log was missing.
    """
    connection.execute("PRAGMA enable_checkpoint_on_shutdown")


def sync_folder(folder: Path) -> None:
    """Make the file names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_files(*paths: Path) -> None:
    """Make the content of files durable; files that do not exist are skipped."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            os.fsync(file.fileno())


@contextlib.contextmanager
def as_checkpoint_error(path: Path) -> Iterator[None]:
    """Raise an OSError as a CheckpointError that names this file."""
    try:
        yield
    except OSError as error:
        raise checkpoint_error(path, error) from None


def checkpoint_error(path: Path, error: Exception) -> CheckpointError:
    """Describe why a statement failed, with a hint; the text quotes no record."""
    if is_full(str(error)):
        return disk_full(path.parent)
    if _is_damage(error):
        return DamageError(_reason(path, error), hint=_DOCTOR_HINT)
    if is_out_of_files(str(error)):
        hint = _FILES_HINT
    elif isinstance(error, duckdb.OutOfMemoryException):
        hint = "free some memory, then run the same command again: everything recorded is kept"
    else:
        hint = (
            "check that the disk has free space and the folder is writable, then run the same "
            "command again: everything recorded is kept"
        )
    return CheckpointError(_reason(path, error), hint=hint)


def _is_damage(error: Exception) -> bool:
    """Return whether DuckDB found content in the file that it did not write."""
    is_internal = isinstance(error, duckdb.InternalException)
    return is_internal or _DAMAGED.search(str(error)) is not None


def _reason(path: Path, error: Exception) -> str:
    """Return the first line of DuckDB's message; other lines, and Arrow's, may quote a record."""
    is_shown = isinstance(error, duckdb.Error | OSError)
    reason = str(error).split("\n", 1)[0] if is_shown else f"{type(error).__name__} in a record"
    return f"{path}: {reason}"
