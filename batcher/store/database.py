"""How a checkpoint's database is reached: DuckDB's settings, and its errors in our words."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb

from batcher.errors import CheckpointError, DamageError
from batcher.store.disk_space import disk_full, is_full

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
_TO_DOCTOR = "the file is damaged: batcher doctor JOB says how much, and saves what can be read"


def connect(path: Path, *, is_read_only: bool) -> duckdb.DuckDBPyConnection:
    """Attach a database file as ``c``; the connection reaches nothing but it.

    Its log stays as it is when the connection is closed, until ``fold_on_close``. Raises
    CheckpointError for a file that cannot be opened.
    """
    connection = duckdb.connect(
        ":memory:", config={**_SETTINGS, "temp_directory": str(path.parent / "spill")}
    )
    mode = "READ_ONLY" if is_read_only else "ROW_GROUP_SIZE 16384"
    quoted = str(path).replace("'", "''")
    try:
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        connection.execute(f"ATTACH '{quoted}' AS c ({mode}); USE c")
        # From here on the connection reaches nothing but this file.
        connection.execute("SET TimeZone = 'UTC'; SET python_enable_replacements = false")
        connection.execute("SET enable_external_access = false")
    except duckdb.Error as error:
        connection.close()
        if is_full(str(error)):
            raise disk_full(path.parent) from None
        if _is_damage(error):
            raise DamageError(_reason(path, error), hint=_TO_DOCTOR) from None
        hint = "nothing was changed; make the file readable"
        raise CheckpointError(_reason(path, error), hint=hint) from None
    return connection


def fold_on_close(connection: duckdb.DuckDBPyConnection) -> None:
    """Let closing fold the log into the file, which then cannot be told from a whole one's."""
    connection.execute("PRAGMA enable_checkpoint_on_shutdown")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_files(*paths: Path) -> None:
    """Make the content of those files durable that are there."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            os.fsync(file.fileno())


@contextlib.contextmanager
def as_checkpoint_error(path: Path) -> Iterator[None]:
    """Raise what the operating system refuses as a CheckpointError about a file."""
    try:
        yield
    except OSError as error:
        raise unwritable(path, error) from None


def unwritable(path: Path, error: Exception) -> CheckpointError:
    """Say why a statement failed, without quoting what was written."""
    if is_full(str(error)):
        return disk_full(path.parent)
    if _is_damage(error):
        return DamageError(_reason(path, error), hint=_TO_DOCTOR)
    if isinstance(error, duckdb.OutOfMemoryException):
        hint = "everything recorded is kept; run the same command again with more memory free"
    else:
        hint = (
            "see that the disk has room and the folder is writable, then run the same command "
            "again: everything recorded is kept"
        )
    return CheckpointError(_reason(path, error), hint=hint)


def _is_damage(error: Exception) -> bool:
    """Whether DuckDB met something in the file that it did not write."""
    is_internal = isinstance(error, duckdb.InternalException)
    return is_internal or _DAMAGED.search(str(error)) is not None


def _reason(path: Path, error: Exception) -> str:
    """Say what happened: DuckDB's first line; its others, and Arrow's, may quote a record."""
    is_shown = isinstance(error, duckdb.Error | OSError)
    reason = str(error).split("\n", 1)[0] if is_shown else f"{type(error).__name__} in a record"
    return f"{path}: {reason}"
