"""The number of records that a checkpoint had, and its id, in a small file beside it.

When a write-ahead log is truncated or was not copied, DuckDB opens the database without an error,
with fewer records. So the number of committed records is kept outside the database. It is written
after each commit, never before: after a power cut it may be too small, but never too large. The id
tells whether the file belongs to this checkpoint.
"""

import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

FILE_NAME = "watermark"
_SLOT_BYTES = 512
_TEXT_BYTES = 80  # of each mark: what is behind it in the slot never counts


@dataclass(frozen=True, slots=True)
class Mark:
    """The number of committed records; ``checkpoint`` is None in files of schemas below 4."""

    records: int
    checkpoint: UUID | None = None


class Watermark:
    """The watermark file of a folder; has two slots, which are overwritten alternately.

    When a power cut interrupts a write, one slot is damaged and the other stays valid.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._next_slot = 0
        self._descriptor: int | None = None

    def read(self) -> Mark | None:
        """Return the newest mark; None without a valid slot."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        marks = filter(None, map(_mark, (content[:_SLOT_BYTES], content[_SLOT_BYTES:])))
        return max(
            marks, key=lambda mark: (mark.records, mark.checkpoint is not None), default=None
        )

    def write(self, mark: Mark) -> None:
        """Write a mark; safe from a kill at once, from a power cut moments later.

        The file stays open until ``close``: writing never needs another open file.
        """
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, 0o600)
        os.pwrite(self._descriptor, _slot(mark), self._next_slot * _SLOT_BYTES)
        self._next_slot = 1 - self._next_slot

    def write_durably(self, mark: Mark) -> None:
        """Write a mark into both slots; it is on the disk when this returns."""
        for _ in range(2):
            self.write(mark)
        assert self._descriptor is not None  # noqa: S101 - for mypy
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _slot(mark: Mark) -> bytes:
    text = f"{mark.records:020}"
    if mark.checkpoint is not None:
        text += f" {mark.checkpoint.hex}"
    return f"{text} {zlib.crc32(_checked(mark)):08x}\n".ljust(_TEXT_BYTES, "\n").encode()


def _checked(mark: Mark) -> bytes:
    """Return what the checksum covers; without an id the same as in older versions."""
    return b"%d" % mark.records + (b"" if mark.checkpoint is None else mark.checkpoint.bytes)


def _mark(slot: bytes) -> Mark | None:
    """Read one slot; None when it is damaged or was never written."""
    try:
        records, *name, check = slot.rstrip(b"\0\n").split(b" ")
        mark = Mark(int(records), UUID(name[0].decode()) if name else None)
        return mark if int(check, 16) == zlib.crc32(_checked(mark)) else None
    except ValueError:
        return None
