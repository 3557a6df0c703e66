"""The lock that keeps a checkpoint to one process.

It is a ``flock`` on a file of its own: DuckDB's own lock is lost as soon as the process opens and
closes the database file in any other way, and ours is free the moment its holder dies.
"""

import fcntl
import json
import os
import socket
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

from batcher.errors import CheckpointError, LockedError

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a job: pid, host, the host's boot, and when it began."""

    pid: int
    host: str
    boot_id: str
    started_at: str

    @classmethod
    def this_process(cls, now: datetime) -> "Holder":
        """Describe ourselves."""
        boot_id = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
        return cls(os.getpid(), socket.gethostname(), boot_id, now.isoformat(timespec="seconds"))


class Lock:
    """Holds a folder's lock from construction to ``release``.

    Raises LockedError, which names the holder, when another process has it.
    """

    def __init__(self, folder: Path, holder: Holder, *, is_shared: bool = False) -> None:
        path = folder / "lock"
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CheckpointError(
                f"{path}: {error.strerror}", hint="make the folder writable, or set job.state"
            ) from None
        try:
            mode = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
            fcntl.flock(self._descriptor, mode | fcntl.LOCK_NB)
        except OSError:
            other = _holder(self._descriptor)
            os.close(self._descriptor)
            raise LockedError(
                f"this job is held by {other}",
                hint="wait for it to end; batcher status shows how far it is",
            ) from None
        if not is_shared:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(asdict(holder)).encode(), 0)

    def release(self) -> None:
        """Let the next process in."""
        os.close(self._descriptor)

    def __enter__(self) -> "Lock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _holder(descriptor: int) -> str:
    """Say who has the lock: a run, which wrote itself down, or commands that only read."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _described(os.pread(descriptor, 4096, 0))
    return "a command that reads it"


def _described(content: bytes) -> str:
    try:
        holder = Holder(**json.loads(content))
    except (ValueError, TypeError):
        return "another process"
    return f"process {holder.pid} on {holder.host} since {holder.started_at}"
