"""The lock that keeps a checkpoint to one process.

It is a ``flock`` on a file of its own: DuckDB's own lock is lost as soon as the process opens and
closes the database file in any other way, and ours is free the moment its holder dies.
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

_LOOKS = 20
_LOOK_EVERY_S = 0.02
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a job: pid, host, the host's boot, and when it began.

    ``process_start`` tells it from a later process with the same pid; see ``process_start``.
    """

    pid: int
    host: str
    boot_id: str
    started_at: str
    process_start: int | None = None

    @classmethod
    def this_process(cls, now: datetime) -> "Holder":
        """Describe ourselves."""
        pid, started_at = os.getpid(), now.isoformat(timespec="seconds")
        return cls(pid, socket.gethostname(), _boot_id(), started_at, process_start(pid))

    def is_gone(self) -> bool:
        """Whether it was a process of this boot of this computer that has ended."""
        is_ours = (self.host, self.boot_id) == (socket.gethostname(), _boot_id())
        if not is_ours or self.process_start is None:
            return False
        return process_start(self.pid) != self.process_start

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.started_at}"


def _boot_id() -> str:
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""


def process_start(pid: int) -> int | None:
    """When a process of this computer began, in clock ticks since its boot.

    None when there is no such process, or no /proc to ask.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The name may hold anything, spaces and parentheses too; the fields after it are numbers.
    return int(stat.rpartition(b")")[2].split()[19])


@dataclass(frozen=True, slots=True)
class _Hints:
    """What to do when another process holds the job, and when its folder is read-only."""

    held: str
    read_only: str


_RUN_HINTS = _Hints(
    "wait for it to end, or add --wait", "make the folder writable, or set job.state"
)
_OTHER_HINTS = _Hints(
    "wait for it to end: batcher status JOB --wait",
    "make the folder writable, or copy it with the job file to where it is",
)


class Lock:
    """Holds a folder's lock from construction to ``release``.

    Raises LockedError, which names the holder, when another process has it; with ``waiting`` it
    tells that once whom it waits for, and waits. A signal whose handler raises ends the wait.
    ``for_run``: the hints may name what only a run can do.
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
        open_it = _opened_to_read if is_shared else _opened
        self._descriptor = open_it(folder, hints)
        if self._descriptor is None:
            return
        try:
            with as_checkpoint_error(folder / "lock"):
                mode = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
                _acquire(self._descriptor, mode, waiting, hints)
            if not is_shared:
                _sign(self._descriptor, holder)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let the next process in."""
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
    """See that a run could lock a folder; leaves no lock file where there is none."""
    if (folder / "lock").exists():
        os.close(_opened(folder, _RUN_HINTS))


def _opened(folder: Path, hints: _Hints) -> int:
    path = folder / "lock"
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}", hint=hints.read_only) from None


def _opened_to_read(folder: Path, hints: _Hints) -> int | None:
    """Open the file of a folder that may be an archive; None when nobody can make one there."""
    path = folder / "lock"
    with contextlib.suppress(OSError):
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if folder.is_dir() and not path.exists() and not os.access(folder, os.W_OK):
        return None
    return _opened(folder, hints)


def _acquire(
    descriptor: int, mode: int, waiting: Callable[[str], None] | None, hints: _Hints
) -> None:
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        other = _holder(descriptor)
        if waiting is None:
            raise LockedError(f"this job is held by {other}", hint=hints.held) from None
        waiting(f"waiting for {other}, which holds this job")
        fcntl.flock(descriptor, mode)


def _sign(descriptor: int, holder: Holder) -> None:
    """Write down who holds it; on a full disk it is held without a name."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)


def _holder(descriptor: int) -> str:
    """Say who has the lock: a run, which wrote itself down, or commands that only read."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _signature(descriptor)
    return "a command that reads it"


def _signature(descriptor: int) -> str:
    """Who wrote itself down; one that has just got the lock may need a moment for that."""
    for _ in range(_LOOKS):
        with contextlib.suppress(ValueError, TypeError):
            holder = Holder(**json.loads(os.pread(descriptor, 4096, 0)))
            if not holder.is_gone():
                return str(holder)
        time.sleep(_LOOK_EVERY_S)
    return "another process"
