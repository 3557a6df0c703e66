"""How many files this process may have open, and how many connections fit into that."""

import os
import resource
from dataclasses import dataclass

from batcher.errors import ConfigurationError

RESERVED_FILES = 48
"""Kept free for the checkpoint, the input, the output, the status and name look-ups."""


@dataclass(frozen=True, slots=True)
class FileLimit:
    """The limit of open files, and how many connections a run may have under it."""

    files: int
    connections: int
    wanted: int

    @property
    def is_narrow(self) -> bool:
        """Whether the limit allows fewer connections than the job wants."""
        return self.connections < self.wanted

    @property
    def message(self) -> str:
        """Return what a person should know about a narrow limit."""
        return (
            f"this process may have {self.files:,} open files, so at most {self.connections:,} "
            f"requests are in flight at once (limits.concurrency is {self.wanted:,}); "
            f"ulimit -n {self.files + self.wanted - self.connections} lifts this"
        )


def make_room_for(connections: int) -> FileLimit:
    """Raise the soft limit of open files as far as connections need it and the hard one allows.

    Raises ConfigurationError when not a single connection fits.
    """
    in_use = len(os.listdir("/dev/fd"))  # noqa: PTH208 - names are enough
    files = _raised(in_use + RESERVED_FILES + connections)
    allowed = min(connections, files - in_use - RESERVED_FILES)
    if allowed < 1:
        raise ConfigurationError(
            f"this process may have {files:,} open files, and a run needs "
            f"{in_use + RESERVED_FILES + 1:,} or more",
            hint=f"ulimit -n {in_use + RESERVED_FILES + connections}, then run the same command",
        )
    return FileLimit(files, allowed, connections)


def _raised(needed: int) -> int:
    """Return the limit of open files after raising it to what is needed, as far as possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return needed if soft == resource.RLIM_INFINITY else soft
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # macOS has a limit of its own below the hard one
        return soft
    return wanted
