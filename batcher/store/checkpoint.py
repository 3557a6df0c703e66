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
    connect,
    fold_on_close,
    sync_files,
    sync_folder,
    unwritable,
)
from batcher.store.migrations import MIGRATIONS, SCHEMA_VERSION, TABLES
from batcher.store.queries import queries, script
from batcher.store.records import Record, to_arrow
from batcher.store.watermark import Watermark

P = ParamSpec("P")
T = TypeVar("T")

FILE_NAME = "checkpoint.duckdb"
_WAL_BYTES = 8 << 20
# DuckDB handles 2,048 rows at once, whatever they weigh, in several copies: what it may take
# follows the longest answer. Sorting a plan cannot spill all that it holds: a million items need
# more than 96 MiB. A larger limit from the start would be filled with cached blocks.
_MEMORY_PER_ANSWER_BYTE = 4 * 2048
_MEMORY_PER_ITEM = 128
_MOST_MEMORY_BYTES = min(2 << 30, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)


class Checkpoint:
    """One open connection to one checkpoint; belongs to the thread that made it.

    ``records`` counts all that was ever committed. Raises CheckpointError for everything that goes
    wrong with the file. A write that failed leaves nothing of its group behind.
    """

    def __init__(self, folder: Path, *, is_read_only: bool = False) -> None:
        self.path = folder / FILE_NAME
        self._wal = folder / f"{FILE_NAME}.wal"
        self._wal_inode = 0
        self._watermark = Watermark(folder)
        self._longest_answer = 0
        self._items = 0
        if not is_read_only:
            # A kill may have come between a write and its sync; what is counted must be durable.
            with as_checkpoint_error(self.path):
                sync_files(self.path, self._wal)
                sync_folder(folder)
        self._connection = connect(self.path, is_read_only=is_read_only)
        try:
            version = self._check_version(is_read_only=is_read_only)
            self.records = self._count_records()
            with as_checkpoint_error(self._watermark.path):
                self._check_whole(is_read_only=is_read_only)
            # What is refused stays as it is: the missing part of its log may be found again.
            if not is_read_only:
                migrate(self, version, MIGRATIONS)
            self.execute(script("views"))
            ((longest,),) = self.rows("SELECT coalesce(max(body_bytes), 0) FROM outcomes")
            self.make_room(longest_answer=longest)
            fold_on_close(self._connection)
        except CheckpointError:
            self.close()
            raise

    @classmethod
    def create(cls, folder: Path, *, version: str, now: datetime) -> None:
        """Make an empty checkpoint, whole or not at all; leaves one that is there alone."""
        path = folder / FILE_NAME
        if not path.exists():
            with as_checkpoint_error(path):
                cls._create(path, version, now)

    @classmethod
    def _create(cls, path: Path, version: str, now: datetime) -> None:
        folder = path.parent
        if held := Watermark(folder).read():
            raise DamageError(
                f"{path} is gone; it held {held:,} records, which were paid for",
                hint=f"put it back; to begin anew and pay again, move {folder} away",
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
            raise unwritable(path, error) from None
        finally:
            connection.close()
        temporary.rename(path)
        sync_folder(folder)

    def append(self, table: str, records: Sequence[Record]) -> None:
        """Add records of one class to a table, inside the caller's transaction or on their own."""
        if records:
            self._insert(table, list(records))

    def commit(self, groups: Mapping[str, Sequence[Record]]) -> None:
        """Add groups of records in one transaction that is on the disk when this returns."""
        bodies = (getattr(outcome, "body", None) or b"" for outcome in groups.get("outcomes", ()))
        self.make_room(longest_answer=max(map(len, bodies), default=0))
        try:
            self._connection.execute("BEGIN")
            for table, records in groups.items():
                self.append(table, records)
            self._connection.execute("COMMIT")
            self._note(self.records + sum(map(len, groups.values())))
        except (duckdb.Error, pa.ArrowException, OSError, ValueError, OverflowError) as error:
            # A failed COMMIT has ended the transaction by itself.
            with contextlib.suppress(duckdb.Error):
                self._connection.execute("ROLLBACK")
            raise unwritable(self.path, error) from None

    def make_room(self, *, longest_answer: int = 0, items: int = 0) -> None:
        """Let DuckDB take more memory for longer answers and larger plans; never less again."""
        if longest_answer <= self._longest_answer and items <= self._items:
            return
        self._longest_answer = max(self._longest_answer, longest_answer)
        self._items = max(self._items, items)
        wanted = MEMORY_BYTES + _MEMORY_PER_ITEM * self._items
        wanted += _MEMORY_PER_ANSWER_BYTE * self._longest_answer
        self.execute(f"SET memory_limit = '{min(wanted, _MOST_MEMORY_BYTES)}B'")

    def add(self, sql: str, **parameters: Any) -> None:
        """Run one statement that adds records; they are on the disk when this returns."""
        self.execute(sql, **parameters)
        with as_checkpoint_error(self.path):
            self._note(self._count_records())

    def checkpoint_if_due(self) -> None:
        """Fold the write-ahead log into the file once it is large; tens of milliseconds."""
        if self._wal_size() > _WAL_BYTES:
            self.execute("CHECKPOINT c")
            # The next log is a new file, though it may get the inode number of the one before.
            self._wal_inode = 0

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
            raise unwritable(self.path, error) from None

    def with_table(self, name: str, table: Any, sql: str) -> None:
        """Run a statement that reads a pyarrow.Table under a name."""
        with self.holding(name, table):
            self.execute(sql)

    @contextlib.contextmanager
    def holding(self, name: str, table: Any) -> Iterator[None]:
        """Let statements read a pyarrow.Table under a name."""
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
        """The first attempt id that was never used."""
        (last,) = self.rows("SELECT coalesce(max(attempt_id), 0) FROM attempts")[0]
        return int(last) + 1

    def origins(self) -> list[str]:
        """The servers that earlier runs were answered by."""
        return [str(origin) for (origin,) in self.rows(queries("planning")["origins"])]

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
            raise unwritable(self.path, error) from None

    def _insert(self, table: str, records: list[Any]) -> None:
        rows = to_arrow(records)
        self._connection.register("incoming", rows)
        self._connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")  # noqa: S608
        self._connection.unregister("incoming")

    def _check_version(self, *, is_read_only: bool) -> int:
        (version,) = self.rows("SELECT max(schema_version) FROM checkpoint")[0]
        if version > SCHEMA_VERSION:
            raise CheckpointError(
                f"{self.path} was written by a newer batcher: its schema is {version}, "
                f"ours {SCHEMA_VERSION}",
                hint="use the batcher that wrote it, or a newer one",
            )
        if is_read_only and version < SCHEMA_VERSION:
            raise CheckpointError(
                f"{self.path} was written by an older batcher: its schema is {version}, "
                f"ours {SCHEMA_VERSION}",
                hint="batcher run JOB brings it up to date first",
            )
        return int(version)

    def _count_records(self) -> int:
        """Count what an older schema has of it, too."""
        there = {name for (name,) in self.rows("SELECT table_name FROM duckdb_tables()")}
        tables = [table for table in TABLES if table in there]
        counts = " + ".join(f"(SELECT count(*) FROM {table})" for table in tables)  # noqa: S608
        ((records,),) = self.rows(f"SELECT {counts}")
        return int(records)

    def _check_whole(self, *, is_read_only: bool) -> None:
        """Refuse a checkpoint that holds less than it once did."""
        held = self._watermark.read()
        if self.records < held:
            raise DamageError(
                f"{self.path} holds {self.records:,} records, and held {held:,}: "
                f"its log {self._wal.name} is missing or was cut short, or it is an older copy",
                hint="put the missing file back, or let batcher doctor JOB look at it; to go on "
                "without the missing records would pay for them again",
            )
        if self.records > held and not is_read_only:
            self._watermark.write(self.records)

    def _note(self, records: int) -> None:
        """Count what was just committed, in memory and beside the file."""
        self._sync_new_wal()
        self.records = records
        self._watermark.write(records)

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
            sync_folder(self._wal.parent)
            self._wal_inode = inode


def migrate(checkpoint: Checkpoint, version: int, migrations: Mapping[int, str]) -> None:
    """Bring an older schema up to date, one version at a time, each in a transaction."""
    while version in migrations:
        checkpoint.execute("BEGIN")
        checkpoint.execute(migrations[version])
        checkpoint.execute("UPDATE checkpoint SET schema_version = $next", next=version + 1)
        checkpoint.execute("COMMIT")
        version += 1
