"""The lock that lets only one process use a checkpoint.

It is a ``flock`` on a separate file, because DuckDB's own lock is lost as soon as the process opens
and closes the database file in another way. The lock is free as soon as its holder dies.
"""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

from batcher.errors import CheckpointError, LockedError
from batcher.store.database import as_checkpoint_error

_READ_TRIES = 20
_READ_EVERY_S = 0.02
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a job's lock: pid, host, boot of the host, and start time.

    ``process_start`` distinguishes it from a later process with the same pid.
    """

    pid: int
    host: str
    boot_id: str
    started_at: str
    process_start: int | None = None

    @classmethod
    def this_process(cls, now: datetime) -> "Holder":
        """Describe this process."""
        pid, started_at = os.getpid(), now.isoformat(timespec="seconds")
        return cls(pid, socket.gethostname(), _boot_id(), started_at, process_start(pid))

    def has_ended(self) -> bool:
        """Return whether the process has ended; False for another computer or an earlier boot."""
        is_local = (self.host, self.boot_id) == (socket.gethostname(), _boot_id())
        if not is_local or self.process_start is None:
            return False
        return process_start(self.pid) != self.process_start

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.started_at}"


def _boot_id() -> str:
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""


def process_start(pid: int) -> int | None:
    """Return the start time of a process on this computer, in clock ticks since the boot.

    None when there is no such process, or no /proc.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The process name may have spaces and parentheses; the fields after it are numbers.
    return int(stat.rpartition(b")")[2].split()[19])


@dataclass(frozen=True, slots=True)
class _Hints:
    """Hints for a job that another process has locked, and for a read-only folder."""

    locked: str
    read_only: str


_RUN_HINTS = _Hints(
    "wait for it to end, or add --wait", "make the folder writable, or set job.state"
)
_OTHER_HINTS = _Hints(
    "wait for it to end: batcher status JOB --wait",
    "make the folder writable, or copy it and the job file to a writable place",
)


class Lock:
    """Holds a folder's lock from construction to ``release``.

    When another process holds it, raises LockedError, which names that process. With ``waiting`` it
    waits instead, after one call of ``waiting`` with a message that names the process. A signal
    handler that raises ends the wait. With ``for_run`` the hints may name options of ``run``.
    """

    def __init__(
        self,
        folder: Path,
        holder: Holder,
        *,
        is_shared: bool = False,
        for_run: bool = False,
        waiting: Callable[[str], None] | None = None,
    ) -> None:
        hints = _RUN_HINTS if for_run else _OTHER_HINTS
        open_file = _open_to_read if is_shared else _open
        self._descriptor = open_file(folder, hints)
        if self._descriptor is None:
            return
        try:
            with as_checkpoint_error(folder / "lock"):
                mode = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
                _acquire(self._descriptor, mode, waiting, hints)
            if not is_shared:
                _write_holder(self._descriptor, holder)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Release the lock, so that the next process can take it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "Lock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def check_lock(folder: Path) -> None:
    """Check that a run can open a folder's lock file; creates no lock file."""
    if (folder / "lock").exists():
        os.close(_open(folder, _RUN_HINTS))


def _open(folder: Path, hints: _Hints) -> int:
    path = folder / "lock"
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}", hint=hints.read_only) from None


def _open_to_read(folder: Path, hints: _Hints) -> int | None:
    """Open the lock file of a folder; None when a read-only folder has none."""
    path = folder / "lock"
    with contextlib.suppress(OSError):
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if folder.is_dir() and not path.exists() and not os.access(folder, os.W_OK):
        return None
    return _open(folder, hints)


def _acquire(
    descriptor: int, mode: int, waiting: Callable[[str], None] | None, hints: _Hints
) -> None:
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _holder(descriptor)
        if waiting is None:
            raise LockedError(f"this job is locked by {holder}", hint=hints.locked) from None
        waiting(f"waiting for {holder}, which has locked this job")
        fcntl.flock(descriptor, mode)


def _write_holder(descriptor: int, holder: Holder) -> None:
    """Write the holder to the lock file; a full disk is no error, the lock then has no name."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)


def _holder(descriptor: int) -> str:
    """Name the holder: the process in the lock file, or a command with a shared lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _recorded_holder(descriptor)
    return "a command that reads it"


def _recorded_holder(descriptor: int) -> str:
    """Return the process in the lock file; a new holder may need a moment to write it."""
    for _ in range(_READ_TRIES):
        with contextlib.suppress(ValueError, TypeError):
            holder = Holder(**json.loads(os.pread(descriptor, 4096, 0)))
            if not holder.has_ended():
                return str(holder)
        time.sleep(_READ_EVERY_S)
    return "another process"
