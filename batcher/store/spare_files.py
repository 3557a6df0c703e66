"""Open files in reserve: closing them lets the checkpoint open its log when no file is left."""

import contextlib
import errno
import os

SPARE_FILES = 8
_OUT_OF_FILES = (errno.EMFILE, errno.ENFILE)


def is_out_of_files(reason: str) -> bool:
    """Return whether an error text of DuckDB or the system says that no file can be opened."""
    return any(os.strerror(number) in reason for number in _OUT_OF_FILES)


class SpareFiles:
    """Holds open files, as many of a few as there are; belongs to one thread."""

    def __init__(self) -> None:
        self._descriptors: list[int] = []

    def take(self) -> None:
        """Open files up to the number to hold; fewer when no more can be opened."""
        with contextlib.suppress(OSError):
            while len(self._descriptors) < SPARE_FILES:
                self._descriptors.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    def release(self) -> bool:
        """Close them; return whether there were any."""
        released, self._descriptors = self._descriptors, []
        for descriptor in released:
            os.close(descriptor)
        return bool(released)
