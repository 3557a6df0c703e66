"""The number of records that a checkpoint had, in a small file beside it.

When a write-ahead log is truncated or was not copied, DuckDB opens the database without an error,
with fewer records. So the number of committed records is kept outside the database. It is written
after each commit, never before: after a power cut it may be too small, but never too large.
"""

import os
import zlib
from pathlib import Path

FILE_NAME = "watermark"
_SLOT_BYTES = 512
_FORMAT = "{records:020} {check:08x}\n"


class Watermark:
    """The watermark file of a folder; has two slots, which are overwritten alternately.

    When a power cut interrupts a write, one slot is damaged and the other stays valid.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._next_slot = 0

    def read(self) -> int:
        """Return the number of committed records; 0 when there is no valid slot."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return 0
        slots = (content[:_SLOT_BYTES], content[_SLOT_BYTES:])
        return max(map(_records, slots))

    def write(self, records: int) -> None:
        """Write the number of records; safe from a kill at once, from a power cut moments later."""
        check = zlib.crc32(b"%d" % records)
        slot = _FORMAT.format(records=records, check=check).encode()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, slot, self._next_slot * _SLOT_BYTES)
        finally:
            os.close(descriptor)
        self._next_slot = 1 - self._next_slot


def _records(slot: bytes) -> int:
    """Read one slot; 0 when it is damaged or was never written."""
    try:
        records, check = slot.rstrip(b"\0\n").split(b" ")
        number = int(records)
        return number if int(check, 16) == zlib.crc32(b"%d" % number) else 0
    except ValueError:
        return 0
