"""The DuckDB file: how it is created, opened, written in groups and closed.

Measurements led to these rules. The file is created under a temporary name and then renamed,
because DuckDB cannot open a file whose creation was interrupted. The folder is synced when the
write-ahead log is a new file, because DuckDB does not do that. Groups are inserted as Arrow tables,
the fastest way. DuckDB never checkpoints by itself, because at its threshold it rewrites large row
groups and delays commits for seconds; ``checkpoint_if_due`` does it every 8 MiB into small
compressed row groups, which takes tens of milliseconds and keeps memory use flat.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import duckdb
import pyarrow as pa

from batcher.errors import CheckpointError, DamageError
from batcher.store.database import (
    MEMORY_BYTES,
    as_checkpoint_error,
    checkpoint_error,
    connect,
    fold_on_close,
    sync_files,
    sync_folder,
)
from batcher.store.migrations import MIGRATIONS, SCHEMA_VERSION, TABLES
from batcher.store.queries import queries, script
from batcher.store.records import Record, to_arrow
from batcher.store.watermark import Watermark

P = ParamSpec("P")
T = TypeVar("T")

FILE_NAME = "checkpoint.duckdb"
_WAL_BYTES = 8 << 20
# DuckDB handles 2,048 rows at once, whatever their size, in several copies, so the memory limit
# depends on the longest response. DuckDB cannot spill everything when it sorts a plan: a million
# items need more than 96 MiB. A larger limit from the start would only cache more blocks.
_MEMORY_PER_RESPONSE_BYTE = 4 * 2048
_MEMORY_PER_ITEM = 128
_MAX_MEMORY_BYTES = min(2 << 30, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)


class Checkpoint:
    """An open connection to a checkpoint; belongs to the thread that opened it.

    ``records`` is the number of records committed so far. Every problem with the file raises
    CheckpointError. A failed write leaves no record of its group behind.
    """

    def __init__(self, folder: Path, *, is_read_only: bool = False) -> None:
        self.path = folder / FILE_NAME
        self._wal = folder / f"{FILE_NAME}.wal"
        self._wal_inode = 0
        self._watermark = Watermark(folder)
        self._longest_response = 0
        self._items = 0
        if not is_read_only:
            # A run may be killed between a write and its sync, but counted records must be durable.
            with as_checkpoint_error(self.path):
                sync_files(self.path, self._wal)
                sync_folder(folder)
        self._connection = connect(self.path, is_read_only=is_read_only)
        try:
            version = self._check_version(is_read_only=is_read_only)
            self.records = self._count_records()
            with as_checkpoint_error(self._watermark.path):
                self._check_complete(is_read_only=is_read_only)
            # A refused checkpoint stays unchanged, because the user may find the rest of its log.
            if not is_read_only:
                migrate(self, version, MIGRATIONS)
            self.execute(script("views"))
            ((longest,),) = self.rows("SELECT coalesce(max(body_bytes), 0) FROM outcomes")
            self.raise_memory_limit(longest_response=longest)
            fold_on_close(self._connection)
        except CheckpointError:
            self.close()
            raise

    @classmethod
    def create(cls, folder: Path, *, version: str, now: datetime) -> None:
        """Create an empty checkpoint atomically; an existing one stays unchanged."""
        path = folder / FILE_NAME
        if not path.exists():
            with as_checkpoint_error(path):
                cls._create(path, version, now)

    @classmethod
    def _create(cls, path: Path, version: str, now: datetime) -> None:
        folder = path.parent
        if records := Watermark(folder).read():
            raise DamageError(
                f"{path} is missing; it had {records:,} records, which were paid for",
                hint=f"restore the file; to start again and pay again, move {folder} away",
            )
        temporary = folder / f"{FILE_NAME}.new"
        for leftover in (temporary, folder / f"{FILE_NAME}.new.wal"):
            leftover.unlink(missing_ok=True)
        connection = connect(temporary, is_read_only=False)
        try:
            connection.execute(script("schema"))
            connection.execute(
                "INSERT INTO checkpoint VALUES (?, ?, ?)", [SCHEMA_VERSION, now, version]
            )
            connection.execute("CHECKPOINT c")
        except duckdb.Error as error:
            raise checkpoint_error(path, error) from None
        finally:
            connection.close()
        temporary.rename(path)
        sync_folder(folder)

    def append(self, table: str, records: Sequence[Record]) -> None:
        """Add records of one class to a table, in the caller's transaction if there is one."""
        if records:
            self._insert(table, list(records))

    def commit(self, groups: Mapping[str, Sequence[Record]]) -> None:
        """Add groups of records in one transaction; it is on the disk when this returns."""
        bodies = (getattr(outcome, "body", None) or b"" for outcome in groups.get("outcomes", ()))
        self.raise_memory_limit(longest_response=max(map(len, bodies), default=0))
        try:
            self._connection.execute("BEGIN")
            for table, records in groups.items():
                self.append(table, records)
            self._connection.execute("COMMIT")
            self._committed(self.records + sum(map(len, groups.values())))
        except (duckdb.Error, pa.ArrowException, OSError, ValueError, OverflowError) as error:
            # After a failed COMMIT no transaction is open.
            with contextlib.suppress(duckdb.Error):
                self._connection.execute("ROLLBACK")
            raise checkpoint_error(self.path, error) from None

    def raise_memory_limit(self, *, longest_response: int = 0, items: int = 0) -> None:
        """Let DuckDB use more memory for longer responses (bytes) and larger plans; never less."""
        if longest_response <= self._longest_response and items <= self._items:
            return
        self._longest_response = max(self._longest_response, longest_response)
        self._items = max(self._items, items)
        wanted = MEMORY_BYTES + _MEMORY_PER_ITEM * self._items
        wanted += _MEMORY_PER_RESPONSE_BYTE * self._longest_response
        self.execute(f"SET memory_limit = '{min(wanted, _MAX_MEMORY_BYTES)}B'")

    def add(self, sql: str, **parameters: Any) -> None:
        """Run a statement that adds records; they are on the disk when this returns."""
        self.execute(sql, **parameters)
        with as_checkpoint_error(self.path):
            self._committed(self._count_records())

    def checkpoint_if_due(self) -> None:
        """Fold the write-ahead log into the file when it is large; takes tens of milliseconds."""
        log = self._wal_stat()
        if log is not None and log.st_size > _WAL_BYTES:
            self.execute("CHECKPOINT c")
            # The next log is a new file, although it may get the same inode number.
            self._wal_inode = 0

    def execute(self, sql: str, **parameters: Any) -> None:
        """Run a statement that returns nothing."""
        self._fetch(sql, parameters)

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run a query and return all rows; for small results without timestamps."""
        return self._fetch(sql, parameters)[1]

    def row(self, sql: str, **parameters: Any) -> dict[str, Any]:
        """Run a query that returns one row without timestamps; return it by column name."""
        names, (row,) = self._fetch(sql, parameters)
        return dict(zip(names, row, strict=True))

    def table(self, sql: str, **parameters: Any) -> Any:
        """Run a query and return a pyarrow.Table."""
        try:
            return self._connection.sql(sql, params=parameters or None).to_arrow_table()
        except duckdb.Error as error:
            raise checkpoint_error(self.path, error) from None

    def with_table(self, name: str, table: Any, sql: str) -> None:
        """Run a statement that reads a pyarrow.Table by this name."""
        with self.named_table(name, table):
            self.execute(sql)

    @contextlib.contextmanager
    def named_table(self, name: str, table: Any) -> Iterator[None]:
        """Let statements read a pyarrow.Table by this name."""
        self._connection.register(name, table)
        try:
            yield
        finally:
            self._connection.unregister(name)

    def call(
        self,
        function: "Callable[Concatenate[Checkpoint, P], T]",
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Return ``function(self, *args, **kwargs)``; the counterpart of ``Writer.call``."""
        return function(self, *args, **kwargs)

    def next_attempt_id(self) -> int:
        """Return the first attempt id that was never used."""
        (last,) = self.rows("SELECT coalesce(max(attempt_id), 0) FROM attempts")[0]
        return int(last) + 1

    def origins(self) -> list[str]:
        """Return the servers that sent the final responses of earlier runs."""
        return [str(origin) for (origin,) in self.rows(queries("plans")["origins"])]

    def close(self) -> None:
        """Close the connection; committed records are safe even without this call."""
        self._connection.close()

    def _fetch(
        self, sql: str, parameters: dict[str, Any]
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        try:
            result = self._connection.execute(sql, parameters or None)
            return [column[0] for column in result.description or ()], result.fetchall()
        except duckdb.Error as error:
            raise checkpoint_error(self.path, error) from None

    def _insert(self, table: str, records: list[Any]) -> None:
        rows = to_arrow(records)
        self._connection.register("incoming", rows)
        self._connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")  # noqa: S608
        self._connection.unregister("incoming")

    def _check_version(self, *, is_read_only: bool) -> int:
        (version,) = self.rows("SELECT max(schema_version) FROM checkpoint")[0]
        if version > SCHEMA_VERSION:
            raise CheckpointError(
                f"{self.path} was written by a newer batcher: it has schema {version}, "
                f"this batcher has schema {SCHEMA_VERSION}",
                hint="use the batcher that wrote it, or a newer one",
            )
        if is_read_only and version < SCHEMA_VERSION:
            raise CheckpointError(
                f"{self.path} was written by an older batcher: it has schema {version}, "
                f"this batcher has schema {SCHEMA_VERSION}",
                hint="update it first: batcher run JOB",
            )
        return int(version)

    def _count_records(self) -> int:
        """Count the records in all tables; an older schema may lack some tables."""
        existing = {name for (name,) in self.rows("SELECT table_name FROM duckdb_tables()")}
        tables = [table for table in TABLES if table in existing]
        counts = " + ".join(f"(SELECT count(*) FROM {table})" for table in tables)  # noqa: S608
        ((records,),) = self.rows(f"SELECT {counts}")
        return int(records)

    def _check_complete(self, *, is_read_only: bool) -> None:
        """Refuse a checkpoint that has fewer records than it once had."""
        watermark = self._watermark.read()
        if self.records < watermark:
            raise DamageError(
                f"{self.path} has {self.records:,} records, but it had {watermark:,}: "
                f"its log {self._wal.name} is missing or truncated, or this is an older copy",
                hint="restore the missing file, or run batcher doctor JOB; a run without the "
                "missing records would pay for them again",
            )
        if self.records > watermark and not is_read_only:
            self._watermark.write(self.records)

    def _committed(self, records: int) -> None:
        """Update the number of committed records, in memory and in the watermark."""
        self._sync_new_wal()
        self.records = records
        self._watermark.write(records)

    def _wal_stat(self) -> os.stat_result | None:
        try:
            return self._wal.stat()
        except FileNotFoundError:
            return None

    def _sync_new_wal(self) -> None:
        """Sync the folder when the log is a new file; else a power cut could lose the whole log."""
        log = self._wal_stat()
        if log is not None and log.st_ino != self._wal_inode:
            sync_folder(self._wal.parent)
            self._wal_inode = log.st_ino


def migrate(checkpoint: Checkpoint, version: int, migrations: Mapping[int, str]) -> None:
    """Update an older schema, one version at a time, each in its own transaction."""
    while version in migrations:
        checkpoint.execute("BEGIN")
        checkpoint.execute(migrations[version])
        checkpoint.execute("UPDATE checkpoint SET schema_version = $next", next=version + 1)
        checkpoint.execute("COMMIT")
        version += 1
