"""The DuckDB file: how it is opened, written in groups and closed.

Measurements led to these rules. The folder is synced when the write-ahead log is a new file,
because DuckDB does not do that. Groups are inserted as Arrow tables, the fastest way. DuckDB never
checkpoints by itself, because at its threshold it rewrites large row groups and delays commits for
seconds; ``checkpoint_if_due`` does it every 8 MiB into small compressed row groups, which takes
tens of milliseconds and keeps memory use flat. What is in the log is in the journal, too; a
statement that adds many records at once is folded into the file instead.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID, uuid4

import duckdb
import pyarrow as pa

from batcher.errors import CheckpointError
from batcher.store.completeness import check_complete
from batcher.store.creation import create_checkpoint
from batcher.store.database import (
    MEMORY_BYTES,
    as_checkpoint_error,
    checkpoint_error,
    connect,
    fold_on_close,
    sync_files,
    sync_folder,
)
from batcher.store.inserts import Inserts
from batcher.store.journal import Journal, JournalGroup
from batcher.store.migrations import (
    MIGRATIONS,
    TABLES,
    VERSION_WITH_ID,
    add_missing_tables,
    check_version,
    migrate,
)
from batcher.store.queries import queries, script
from batcher.store.records import Record, longest_stored, to_arrow, to_tables
from batcher.store.watermark import Mark, Watermark

P = ParamSpec("P")
T = TypeVar("T")

FILE_NAME = "checkpoint.duckdb"
_WAL_BYTES = 8 << 20
# DuckDB handles 2,048 rows at once, whatever their size, in several copies, so the memory limit
# depends on the longest response that is stored in one piece; older versions stored all so. DuckDB
# cannot spill everything that it joins, so a plan needs some bytes for each item. With a larger
# limit from the start it would only cache more blocks.
_MEMORY_PER_RESPONSE_BYTE = 4 * 2048
_MEMORY_PER_ITEM = 16
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
        self._journal: Journal | None = None
        self._longest_response = 0
        self._items = 0
        if not is_read_only:
            # A run may be killed between a write and its sync, but counted records must be durable.
            with as_checkpoint_error(self.path):
                sync_files(self.path, self._wal)
                sync_folder(folder)
        self._connection = connect(self.path, is_read_only=is_read_only)
        self._inserts = Inserts(self._connection)
        try:
            ((version,),) = self.rows("SELECT max(schema_version) FROM checkpoint")
            check_version(self.path, version, is_read_only=is_read_only)
            self.records = self._count_records()
            with as_checkpoint_error(self._watermark.path):
                checkpoint_id = self._stored_id() if version >= VERSION_WITH_ID else None
                mark = self._watermark.read()
                check_complete(self.path, version, self.records, checkpoint_id, mark)
                # A refused checkpoint stays unchanged: the user may find the rest of its log.
                if not is_read_only:
                    self._prepare_to_write(folder, version, checkpoint_id)
            if is_read_only:
                add_missing_tables(self.execute, version)
            self.execute(script("views"))
            ((longest,),) = self.rows(queries("bodies")["longest_whole"])
            self.raise_memory_limit(longest_response=longest)
            fold_on_close(self._connection)
        except CheckpointError:
            self.close()
            raise

    @staticmethod
    def create(folder: Path, *, version: str, now: datetime) -> None:
        """Create an empty checkpoint atomically; an existing one stays unchanged."""
        path = folder / FILE_NAME
        if not path.exists():
            with as_checkpoint_error(path):
                create_checkpoint(path, version, now)

    def append(self, table: str, records: Sequence[Record]) -> None:
        """Add records of one class to a table, in the caller's transaction if there is one."""
        if records:
            self._insert(table, to_arrow(list(records)))

    def commit(self, groups: Mapping[str, Sequence[Record]]) -> None:
        """Add groups of records in one transaction; it is on the disk when this returns."""
        try:
            tables = to_tables(groups)
            self.raise_memory_limit(longest_response=longest_stored(tables))
            self._connection.execute("BEGIN")
            for name, rows in tables.items():
                self._insert(name, rows)
            self._connection.execute("COMMIT")
            self._committed(tables)
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
        """Run a statement that adds records; they are in the file when this returns."""
        self.execute(sql, **parameters)
        with as_checkpoint_error(self.path):
            self._sync_new_wal()
            self.records = self._count_records()
            self._watermark.write(Mark(self.records, self._id))
        self.fold()

    def checkpoint_if_due(self) -> None:
        """Fold the write-ahead log into the file when it is large; takes tens of milliseconds."""
        log = self._wal_stat()
        if log is not None and log.st_size > _WAL_BYTES:
            self.fold()

    def fold(self) -> None:
        """Fold the write-ahead log into the file."""
        self.execute("CHECKPOINT c")
        # The next log is a new file, although it may get the same inode number.
        self._wal_inode = 0
        if self._journal is not None:
            with as_checkpoint_error(self.path):
                self._journal.clear()

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

    def identity(self) -> UUID:
        """Return the id of the checkpoint, which never changes."""
        return self._id

    def next_attempt_id(self) -> int:
        """Return the first attempt id that was never used, not even by a lost record."""
        ((attempt_id,),) = self.rows(queries("plans")["next_attempt_id"])
        return int(attempt_id)

    def jobs(self) -> list[str]:
        """Return the names of the jobs that earlier runs sent, as far as they are recorded."""
        return [str(name) for (name,) in self.rows(queries("plans")["jobs"])]

    def origins(self) -> list[str]:
        """Return the servers that sent the final responses of earlier runs."""
        return [str(origin) for (origin,) in self.rows(queries("plans")["origins"])]

    def close(self) -> None:
        """Close the files; committed records are safe even without this call."""
        self._connection.close()
        self._watermark.close()
        if self._journal is not None:
            self._journal.close(is_needed=self._wal_stat() is not None)
            self._journal = None

    def _fetch(
        self, sql: str, parameters: dict[str, Any]
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        try:
            result = self._connection.execute(sql, parameters or None)
            return [column[0] for column in result.description or ()], result.fetchall()
        except duckdb.Error as error:
            raise checkpoint_error(self.path, error) from None

    def _insert(self, table: str, rows: pa.Table) -> None:
        self._inserts.insert(table, rows)

    def _count_records(self) -> int:
        """Count the records in all tables; an older schema may lack some tables."""
        existing = {name for (name,) in self.rows("SELECT table_name FROM duckdb_tables()")}
        tables = [table for table in TABLES if table in existing]
        counts = " + ".join(f"(SELECT count(*) FROM {table})" for table in tables)  # noqa: S608
        ((records,),) = self.rows(f"SELECT {counts}")
        return int(records)

    def _prepare_to_write(self, folder: Path, version: int, checkpoint_id: UUID | None) -> None:
        """Update the schema, and open the files beside the database."""
        self._id = checkpoint_id or uuid4()
        if checkpoint_id is None:
            # It is durable before the schema requires it.
            self._watermark.write_durably(Mark(self.records, self._id))
            self.execute(f"SET VARIABLE checkpoint_id = '{self._id}'")
            migrate(self.execute, version, MIGRATIONS)
            self.execute("CHECKPOINT c")
        else:
            migrate(self.execute, version, MIGRATIONS)
            self._watermark.write(Mark(self.records, self._id))
        self._journal = Journal(folder, self._id)
        if self._wal_stat() is None:
            self._journal.clear()

    def _stored_id(self) -> UUID:
        ((checkpoint_id,),) = self.rows("SELECT id FROM checkpoint")
        return UUID(str(checkpoint_id))

    def _committed(self, tables: Mapping[str, pa.Table]) -> None:
        """Copy committed records to the journal and count them, in memory and in the watermark."""
        self._sync_new_wal()
        groups, first = [], self.records
        for name, rows in tables.items():
            groups.append(JournalGroup(first, name, rows))
            first += rows.num_rows
        self.records = first
        if self._journal is not None:
            self._journal.append(groups)
        self._watermark.write(Mark(self.records, self._id))

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
