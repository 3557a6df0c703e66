"""Stamps files of an input, and detects when one of them changes."""

import os
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

from batcher.errors import InputError


@dataclass(frozen=True, slots=True)
class FileStamp:
    """One file of the input, with the size, time and inode that show whether it changed.

    ``name`` is the path for messages: relative to the job file's folder when the file is inside
    it, else absolute. Weakness: a change that keeps size, modification time and inode is not
    detected.
    """

    path: Path
    name: str
    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path, folder: Path) -> "FileStamp":
        """Stamp a file; raises ``InputError`` unless it is a readable regular file."""
        name = shown_name(path, folder)
        try:
            # This check comes before open(): opening a pipe waits for a writer.
            if not stat.S_ISREG(path.stat().st_mode):
                raise InputError(
                    f"{name} is not a regular file",
                    hint="write it to a file first: the input is read several times",
                )
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
        except OSError as error:
            raise unreadable(name, error) from error
        return cls(path, name, status.st_size, status.st_mtime_ns, status.st_ino)

    def check(self, *, may_grow: bool = False) -> None:
        """Raise ``InputError`` when the file does not exist any more or has changed.

        With ``may_grow`` a larger file is no error: its reader checks the bytes that it had.
        """
        status = self._status()
        is_larger = may_grow and status.st_size > self.size
        if not is_larger and (status.st_size, status.st_mtime_ns, status.st_ino) != (
            self.size,
            self.mtime_ns,
            self.inode,
        ):
            raise self.changed()

    @property
    def has_grown(self) -> bool:
        """Whether the file is larger now; ``InputError`` when it does not exist any more."""
        return self._status().st_size > self.size

    def changed(self) -> InputError:
        """Return the error of a file that was written to."""
        return InputError(
            f"{self.name} changed while it was being read",
            hint="run the same command again when no program writes to the file any more",
        )

    def _status(self) -> os.stat_result:
        try:
            return self.path.stat()
        except OSError as error:
            raise unreadable(self.name, error) from error


def unreadable(name: str, error: Exception) -> InputError:
    """Return the error of a file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return InputError(f"{name} does not exist any more, or is a broken link")
    if isinstance(error, PermissionError):
        return InputError(
            f"no permission to read {name}", hint=f"check with: ls -l {shlex.quote(name)}"
        )
    reason = getattr(error, "strerror", None) or "its path is not valid"
    return InputError(f"{name} cannot be read: {reason}")


def shown_name(path: Path, folder: Path) -> str:
    """Return a path for messages; bytes in it that are not UTF-8 are replaced."""
    short = path.relative_to(folder) if path.is_relative_to(folder) else path
    return os.fsencode(short).decode("utf-8", "replace")
