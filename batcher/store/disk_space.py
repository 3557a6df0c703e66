"""Room on the disk: how much there is, and a ballast to throw off when there is none.

Answers that are in flight when the disk fills are paid for; the ballast is room held for them.
"""

import contextlib
import errno
import os
import sys
from pathlib import Path
from types import TracebackType

from batcher.errors import CheckpointError

BALLAST_BYTES = 64 << 20
LOG_BYTES = 24 << 20
"""What the checkpoint may need besides answers: its log, a copy of it, and the file's growth."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


def free_bytes(folder: Path) -> int:
    """How much this user may still write on the folder's disk."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def is_full(reason: str) -> bool:
    """Whether a failure's text, DuckDB's or the system's, says that a disk or a quota is full."""
    return any(os.strerror(number) in reason for number in _FULL)


def disk_full(folder: Path) -> CheckpointError:
    """Say that a disk is full, how much room is left, and what to do about it."""
    needed = (BALLAST_BYTES + LOG_BYTES) >> 20
    return CheckpointError(
        f"the disk is full: {folder} has {free_bytes(folder) / (1 << 20):,.1f} MiB left",
        hint=f"make room, at least {needed} MiB, then run the same command again: "
        "everything recorded is kept",
    )


class Ballast:
    """A file of 64 MiB in a state folder, there from ``__enter__`` to ``__exit__``.

    It is really allocated, not only long. Raises CheckpointError when it cannot be made, or leaves
    too little for the log of a run. ``drop`` may be called from any thread, and more than once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "ballast"

    def __enter__(self) -> None:
        self.drop()  # a killed run left it
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
        """Give its room to whoever needs it."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _allocate(self) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if sys.platform == "darwin":  # which cannot allocate without writing
                for _ in range(BALLAST_BYTES >> 20):
                    os.write(descriptor, bytes(1 << 20))
            else:
                os.posix_fallocate(descriptor, 0, BALLAST_BYTES)
        finally:
            os.close(descriptor)
        if free_bytes(self._folder) < LOG_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
