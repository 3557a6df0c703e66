"""Commits groups of records, and keeps what can be kept once a write has failed.

A failed write may have reached the disk or not, and can leave DuckDB's instance unusable until it
is closed. So after a failure the checkpoint is opened anew and asked what it holds.
"""

from collections import defaultdict
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from batcher.errors import CheckpointError
from batcher.store.checkpoint import Checkpoint
from batcher.store.disk_space import Ballast, disk_full, is_full
from batcher.store.records import Record


class Committer:
    """Owns a folder's open checkpoint; belongs to the thread that made it.

    ``failure`` is the first write that failed, None while all is well. The ballast is dropped then,
    so that a full disk has room for what is still to come.
    """

    def __init__(self, folder: Path, ballast: Ballast) -> None:
        self.failure: CheckpointError | None = None
        self._folder = folder
        self._ballast = ballast
        self._open: Checkpoint | None = Checkpoint(folder)

    @property
    def checkpoint(self) -> Checkpoint:
        """The open checkpoint; CheckpointError when it cannot be opened again."""
        if self._open is None:
            self._open = Checkpoint(self._folder)
        return self._open

    @property
    def records(self) -> int | None:
        """How many records the checkpoint holds, for any thread; None while it is closed."""
        checkpoint = self._open
        return None if checkpoint is None else checkpoint.records

    def write(self, additions: Sequence[tuple[str, Record]]) -> list[bool]:
        """Commit records with their tables; say of each whether it is on the disk.

        All at once while all is well. After a failure each by itself, and attempts not at all: what
        is not recorded does not leave.
        """
        if self.failure is None:
            ending = self._commit(additions)
            if ending is not _Ending.ABSENT:
                return [ending is _Ending.WRITTEN] * len(additions)
        return [
            addition[0] != "attempts" and self._commit([addition]) is _Ending.WRITTEN
            for addition in additions
        ]

    def fold(self) -> None:
        """Fold the log into the file when it is due; after a failure it only grows."""
        if self.failure is not None:
            return
        try:
            self.checkpoint.checkpoint_if_due()
        except CheckpointError as error:
            self._fail(error)

    def close(self) -> None:
        """Close the checkpoint; what was committed is safe whether this is called or not."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _commit(self, additions: Sequence[tuple[str, Record]]) -> "_Ending":
        groups: dict[str, list[Record]] = defaultdict(list)
        for table, record in additions:
            groups[table].append(record)
        try:
            held = self.checkpoint.records
        except CheckpointError:
            return _Ending.ABSENT  # it could not be opened since the last failure
        try:
            self.checkpoint.commit(groups)
        except Exception as error:  # noqa: BLE001 - a thread that died would leave all waiting
            self._fail(error)
            return self._found(held + len(additions))
        return _Ending.WRITTEN

    def _found(self, records: int) -> "_Ending":
        """Open the checkpoint anew and see whether records whose commit failed are there.

        If they are, they may be in memory only, because a sync has failed: rewriting them tells.
        """
        try:
            if self.checkpoint.records < records:
                return _Ending.ABSENT
        except CheckpointError:
            return _Ending.DOUBTFUL
        try:
            self.checkpoint.execute("CHECKPOINT c")
        except CheckpointError:
            self.close()
            return _Ending.DOUBTFUL
        return _Ending.WRITTEN

    def _fail(self, error: Exception) -> None:
        """Note the first failure, make room, and close what may be unusable."""
        if self.failure is None:
            self.failure = self._named(error)
        self._ballast.drop()
        self.close()

    def _named(self, error: Exception) -> CheckpointError:
        if is_full(str(error)):
            return disk_full(self._folder)
        if isinstance(error, CheckpointError):
            return error
        return CheckpointError(f"writing to {self._folder} failed ({type(error).__name__})")


class _Ending(Enum):
    """What a commit came to; what is doubtful must not be written a second time."""

    WRITTEN = "on the disk"
    ABSENT = "nothing of it is there"
    DOUBTFUL = "it may be there"
