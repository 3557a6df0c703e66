"""Commits groups of records, and saves as many records as possible after a failed write.

A failed write may or may not have reached the disk, and DuckDB may be unusable until it is closed.
So after a failure the checkpoint is opened again, and its records are counted.
"""

from collections import defaultdict
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from batcher.errors import CheckpointError
from batcher.store.checkpoint import Checkpoint
from batcher.store.disk_space import Ballast, disk_full, is_full
from batcher.store.records import Record
from batcher.store.spare_files import SpareFiles, is_out_of_files


class Committer:
    """Owns a folder's open checkpoint; belongs to the thread that created it.

    ``failure`` is the first failed write, or None. The first failure deletes the ballast, so that
    a full disk has space for the outcomes of requests in flight. When the process has too many open
    files, the write is repeated with the spare ones instead.
    """

    def __init__(self, folder: Path, ballast: Ballast) -> None:
        self.failure: CheckpointError | None = None
        self._folder = folder
        self._ballast = ballast
        self._open: Checkpoint | None = Checkpoint(folder)
        self._spare_files = SpareFiles()
        self._spare_files.take()

    @property
    def checkpoint(self) -> Checkpoint:
        """The open checkpoint; raises CheckpointError when it cannot be opened again."""
        if self._open is None:
            self._open = Checkpoint(self._folder)
        return self._open

    @property
    def records(self) -> int | None:
        """The number of records in the checkpoint, for any thread; None while it is closed."""
        checkpoint = self._open
        return None if checkpoint is None else checkpoint.records

    def write(self, additions: Sequence[tuple[str, Record]]) -> list[bool]:
        """Commit pairs of table and record; return for each pair whether it is on the disk.

        One commit holds them all. After a failure each record has its own commit, and attempts are
        not written, so that they are not sent.
        """
        if self.failure is None:
            result = self._commit(additions)
            if result is _Result.ABSENT and self.failure is None:
                result = self._commit(additions)  # now with the spare files
            if result is not _Result.ABSENT:
                return [result is _Result.WRITTEN] * len(additions)
        return [
            addition[0] != "attempts" and self._commit([addition]) is _Result.WRITTEN
            for addition in additions
        ]

    def fold(self) -> None:
        """Fold the log into the file when it is large; after a failure the log only grows."""
        if self.failure is not None:
            return
        try:
            self.checkpoint.checkpoint_if_due()
        except CheckpointError as error:
            self._fail(error)
        else:
            self._spare_files.take()

    def close(self) -> None:
        """Close the checkpoint; committed records are safe even without this call."""
        self._spare_files.release()
        self._close()

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _commit(self, additions: Sequence[tuple[str, Record]]) -> "_Result":
        groups: dict[str, list[Record]] = defaultdict(list)
        for table, record in additions:
            groups[table].append(record)
        try:
            before = self.checkpoint.records
        except CheckpointError:
            return _Result.ABSENT  # the checkpoint could not be opened since the last failure
        try:
            self.checkpoint.commit(groups)
        except Exception as error:  # noqa: BLE001 - if this thread died, all callers would wait forever
            self._fail(error)
            return self._result_after_failure(before + len(additions))
        return _Result.WRITTEN

    def _result_after_failure(self, records: int) -> "_Result":
        """Open the checkpoint again and check whether it has this many records.

        After a failed sync they may be in memory only. A successful CHECKPOINT writes them to the
        disk.
        """
        try:
            if self.checkpoint.records < records:
                return _Result.ABSENT
        except CheckpointError:
            return _Result.DOUBTFUL
        try:
            self.checkpoint.fold()
        except CheckpointError:
            self._close()
            return _Result.DOUBTFUL
        return _Result.WRITTEN

    def _fail(self, error: Exception) -> None:
        """Keep the first failure, free the ballast, and close a possibly unusable checkpoint.

        Without open files left, the spare ones are released, and nothing has failed yet.
        """
        self._close()
        if is_out_of_files(str(error)) and self._spare_files.release():
            return
        if self.failure is None:
            self.failure = self._as_checkpoint_error(error)
        self._ballast.drop()

    def _as_checkpoint_error(self, error: Exception) -> CheckpointError:
        if is_full(str(error)):
            return disk_full(self._folder)
        if isinstance(error, CheckpointError):
            return error
        return CheckpointError(f"writing to {self._folder} failed ({type(error).__name__})")


class _Result(Enum):
    """The result of a commit; a doubtful group must not be written a second time."""

    WRITTEN = "on the disk"
    ABSENT = "no record is there"
    DOUBTFUL = "the records may be there"
