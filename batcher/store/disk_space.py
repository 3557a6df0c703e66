"""Free disk space, and the ballast: a file whose deletion frees space on a full disk.

Requests in flight when the disk fills are paid for. The ballast reserves space for their responses.
"""

import contextlib
import errno
import os
import sys
from pathlib import Path
from types import TracebackType

from batcher.errors import CheckpointError

BALLAST_BYTES = 64 << 20
LOG_BYTES = 32 << 20
"""Space that a run needs besides responses: for the log, a copy of it, the journal, and a larger
file."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


def free_bytes(folder: Path) -> int:
    """Return how many bytes this user can still write to the folder's disk."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def is_full(reason: str) -> bool:
    """Return whether an error text of DuckDB or the system reports a full disk or quota."""
    return any(os.strerror(number) in reason for number in _FULL)


def disk_full(folder: Path) -> CheckpointError:
    """Return an error with the free space of a full disk and the space that a run needs."""
    needed = (BALLAST_BYTES + LOG_BYTES) >> 20
    return CheckpointError(
        f"the disk is full: {folder} has {free_bytes(folder) / (1 << 20):,.1f} MiB left",
        hint=f"free at least {needed} MiB, then run the same command again: "
        "everything recorded is kept",
    )


class Ballast:
    """A file of 64 MiB in a state folder; exists from ``__enter__`` to ``__exit__``.

    Its blocks are allocated: it is not a sparse file. Raises CheckpointError when the file cannot
    be created, or when too little space remains for the log of a run. Any thread may call ``drop``,
    more than once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "ballast"

    def __enter__(self) -> None:
        self.drop()  # a killed run may have left one
        try:
            self._allocate()
        except OSError as error:
            self.drop()
            if error.errno in _FULL:
                raise disk_full(self._folder) from None
            raise CheckpointError(
                f"{self._path}: {error.strerror}", hint="make the folder writable, or set job.state"
            ) from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.drop()

    def drop(self) -> None:
        """Delete the file, which frees its space."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _allocate(self) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if sys.platform == "darwin":  # macOS cannot allocate blocks without writing
                for _ in range(BALLAST_BYTES >> 20):
                    os.write(descriptor, bytes(1 << 20))
            else:
                os.posix_fallocate(descriptor, 0, BALLAST_BYTES)
        finally:
            os.close(descriptor)
        if free_bytes(self._folder) < LOG_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
