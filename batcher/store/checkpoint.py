"""The DuckDB file: how it is created, opened, written in groups and closed.

What is done here and why was measured: the file is made under a temporary name and renamed,
because a file whose creation was cut short cannot be opened; the folder is synced when the
write-ahead log is a new file, because DuckDB does not do it; groups go in as Arrow tables, the
fastest way; DuckDB never checkpoints on its own, because its threshold rewrites large row groups
and holds up commits for seconds: ``checkpoint_if_due`` does it every few megabytes into small
compressed row groups, which takes tens of milliseconds and keeps memory flat.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from batcher.errors import CheckpointError
from batcher.store.queries import queries, script
from batcher.store.records import Record, to_arrow

SCHEMA_VERSION = 1
MIGRATIONS: Mapping[int, str] = {}
"""SQL that leads from a schema version to the next; every one from 1 on stays here for ever."""

FILE_NAME = "checkpoint.duckdb"
_WAL_BYTES = 8 << 20
# DuckDB handles 2,048 rows at once, whatever they weigh, in several copies: what it may take
# follows the longest answer. A larger limit from the start would be filled with cached blocks.
_MEMORY_BYTES = 64 << 20
_MEMORY_PER_ANSWER_BYTE = 4 * 2048
_MOST_MEMORY_BYTES = min(2 << 30, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
_SETTINGS = {
    "threads": "1",
    "memory_limit": f"{_MEMORY_BYTES}B",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "checkpoint_threshold": "1GB",
    "force_compression": "zstd",
}


class Checkpoint:
    """One open connection to one checkpoint; belongs to the thread that made it.

    Raises CheckpointError for everything that goes wrong with the file. A write that failed
    leaves nothing of its group behind.
    """

    def __init__(self, folder: Path, *, is_read_only: bool = False) -> None:
        self.path = folder / FILE_NAME
        self._wal = folder / f"{FILE_NAME}.wal"
        self._wal_inode = 0
        self._longest_answer = 0
        self._connection = _connect(self.path, is_read_only=is_read_only)
        try:
            self._check_version(is_read_only=is_read_only)
            ((longest,),) = self.rows("SELECT coalesce(max(body_bytes), 0) FROM outcomes")
            self._make_room(longest)
        except CheckpointError:
            self.close()
            raise

    @classmethod
    def create(cls, folder: Path, *, version: str, now: datetime) -> None:
        """Make an empty checkpoint, whole or not at all; leaves one that is there alone."""
        path = folder / FILE_NAME
        if path.exists():
            return
        temporary = folder / f"{FILE_NAME}.new"
        for leftover in (temporary, folder / f"{FILE_NAME}.new.wal"):
            leftover.unlink(missing_ok=True)
        connection = _connect(temporary, is_read_only=False)
        try:
            connection.execute(script("schema"))
            connection.execute(
                "INSERT INTO checkpoint VALUES (?, ?, ?)", [SCHEMA_VERSION, now, version]
            )
            connection.execute("CHECKPOINT c")
        except duckdb.Error as error:
            raise _unwritable(path, error) from None
        finally:
            connection.close()
        temporary.rename(path)
        _sync_folder(folder)

    def append(self, table: str, records: Sequence[Record]) -> None:
        """Add records of one class to a table, inside the caller's transaction or on their own."""
        if records:
            self._insert(table, list(records))

    def commit(self, groups: Mapping[str, Sequence[Record]]) -> None:
        """Add groups of records in one transaction that is on the disk when this returns."""
        bodies = (getattr(outcome, "body", None) or b"" for outcome in groups.get("outcomes", ()))
        self._make_room(max(map(len, bodies), default=0))
        try:
            self._connection.execute("BEGIN")
            for table, records in groups.items():
                self.append(table, records)
            self._connection.execute("COMMIT")
            self._sync_new_wal()
        except (duckdb.Error, pa.ArrowException, OSError, ValueError, OverflowError) as error:
            # A failed COMMIT has ended the transaction by itself.
            with contextlib.suppress(duckdb.Error):
                self._connection.execute("ROLLBACK")
            raise _unwritable(self.path, error) from None

    def _make_room(self, longest_answer: int) -> None:
        """Let DuckDB take more memory as longer answers come in."""
        if longest_answer <= self._longest_answer:
            return
        self._longest_answer = longest_answer
        wanted = _MEMORY_BYTES + _MEMORY_PER_ANSWER_BYTE * longest_answer
        self.execute(f"SET memory_limit = '{min(wanted, _MOST_MEMORY_BYTES)}B'")

    def end_run(self, run_id: str, now: datetime, exit_code: int) -> None:
        """Record that a run ended by itself."""
        self.execute(
            "INSERT INTO run_ends VALUES ($run_id, $now, $exit_code)",
            run_id=run_id,
            now=now,
            exit_code=exit_code,
        )
        self._sync_new_wal()

    def checkpoint_if_due(self) -> None:
        """Fold the write-ahead log into the file once it is large; tens of milliseconds."""
        if self._wal_size() > _WAL_BYTES:
            self.execute("CHECKPOINT c")

    def execute(self, sql: str, **parameters: Any) -> None:
        """Run a statement that returns nothing."""
        self._fetch(sql, parameters)

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run a query and return all of its rows; for small results without times."""
        return self._fetch(sql, parameters)[1]

    def row(self, sql: str, **parameters: Any) -> dict[str, Any]:
        """Run a query that returns one row without times, by column name."""
        names, (row,) = self._fetch(sql, parameters)
        return dict(zip(names, row, strict=True))

    def table(self, sql: str, **parameters: Any) -> Any:
        """Run a query and return a pyarrow.Table."""
        try:
            return self._connection.sql(sql, params=parameters or None).to_arrow_table()
        except duckdb.Error as error:
            raise _unwritable(self.path, error) from None

    def with_table(self, name: str, table: Any, sql: str) -> None:
        """Run a statement that reads a pyarrow.Table under a name."""
        self._connection.register(name, table)
        try:
            self.execute(sql)
        finally:
            self._connection.unregister(name)

    def next_attempt_id(self) -> int:
        """The first attempt id that was never used."""
        (last,) = self.rows("SELECT coalesce(max(attempt_id), 0) FROM attempts")[0]
        return int(last) + 1

    def origins(self) -> list[str]:
        """The servers that earlier runs were answered by."""
        rows = self.rows(queries("planning")["origins"])
        return [str(origin) for (origin,) in rows]

    def close(self) -> None:
        """Close the connection; what was committed is safe whether this is called or not."""
        self._connection.close()

    def _fetch(
        self, sql: str, parameters: dict[str, Any]
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        try:
            result = self._connection.execute(sql, parameters or None)
            return [column[0] for column in result.description or ()], result.fetchall()
        except duckdb.Error as error:
            raise _unwritable(self.path, error) from None

    def _insert(self, table: str, records: list[Any]) -> None:
        rows = to_arrow(records)
        self._connection.register("incoming", rows)
        self._connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")  # noqa: S608
        self._connection.unregister("incoming")

    def _check_version(self, *, is_read_only: bool) -> None:
        (version,) = self.rows("SELECT max(schema_version) FROM checkpoint")[0]
        if version > SCHEMA_VERSION:
            raise CheckpointError(
                f"{self.path} was written by a newer batcher: its schema is {version}, "
                f"ours {SCHEMA_VERSION}",
                hint="use the batcher that wrote it, or a newer one",
            )
        if not is_read_only:
            migrate(self, int(version), MIGRATIONS)

    def _wal_size(self) -> int:
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0

    def _sync_new_wal(self) -> None:
        """Make a new log's name durable too: without it a power cut can lose the whole log."""
        try:
            inode = self._wal.stat().st_ino
        except FileNotFoundError:
            return
        if inode != self._wal_inode:
            _sync_folder(self._wal.parent)
            self._wal_inode = inode


def migrate(checkpoint: Checkpoint, version: int, migrations: Mapping[int, str]) -> None:
    """Bring an older schema up to date, one version at a time, each in a transaction."""
    while version in migrations:
        checkpoint.execute("BEGIN")
        checkpoint.execute(migrations[version])
        checkpoint.execute("UPDATE checkpoint SET schema_version = $next", next=version + 1)
        checkpoint.execute("COMMIT")
        version += 1


def _connect(path: Path, *, is_read_only: bool) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        ":memory:", config={**_SETTINGS, "temp_directory": str(path.parent / "spill")}
    )
    mode = "READ_ONLY" if is_read_only else "ROW_GROUP_SIZE 16384"
    quoted = str(path).replace("'", "''")
    try:
        connection.execute(f"ATTACH '{quoted}' AS c ({mode}); USE c")
        # From here on the connection reaches nothing but this file.
        connection.execute("SET TimeZone = 'UTC'; SET python_enable_replacements = false")
        connection.execute("SET enable_external_access = false")
    except duckdb.Error as error:
        connection.close()
        raise CheckpointError(
            _reason(path, error),
            hint="nothing was changed; if the file is damaged, put a copy in its place, or move it "
            "away to begin anew: its answers would then be paid for again",
        ) from None
    return connection


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: Exception) -> CheckpointError:
    if isinstance(error, duckdb.OutOfMemoryException):
        hint = "everything recorded is kept; run the same command again with more memory free"
    else:
        hint = (
            "see that the disk has room and the folder is writable, then run the same command "
            "again: everything recorded is kept"
        )
    return CheckpointError(_reason(path, error), hint=hint)


def _reason(path: Path, error: Exception) -> str:
    """Say what happened: DuckDB's first line; its others, and Arrow's, may quote a record."""
    is_shown = isinstance(error, duckdb.Error | OSError)
    reason = str(error).split("\n", 1)[0] if is_shown else f"{type(error).__name__} in a record"
    return f"{path}: {reason}"
