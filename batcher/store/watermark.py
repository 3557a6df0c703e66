"""How much a checkpoint once held, in a small file beside it.

DuckDB opens a database whose write-ahead log was cut short, or was not copied along, without a
word: it just holds less. So the number of records ever committed is kept outside of it. It is
written after each commit and never before: it may lag behind after a power cut, and never claims
a record that was not on the disk.
"""

import os
import zlib
from pathlib import Path

FILE_NAME = "watermark"
_SLOT_BYTES = 512
_FORMAT = "{records:020} {check:08x}\n"


class Watermark:
    """The file of one folder; written in place, in two slots by turns.

    A write that a power cut tore spoils one slot and leaves the other.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._turn = 0

    def read(self) -> int:
        """Return the number of records that were committed; 0 when nothing says so."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return 0
        slots = (content[:_SLOT_BYTES], content[_SLOT_BYTES:])
        return max(map(_records, slots))

    def write(self, records: int) -> None:
        """Note a number of records; it survives a kill at once, a power cut a moment later."""
        check = zlib.crc32(b"%d" % records)
        slot = _FORMAT.format(records=records, check=check).encode()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, slot, self._turn * _SLOT_BYTES)
        finally:
            os.close(descriptor)
        self._turn = 1 - self._turn


def _records(slot: bytes) -> int:
    """Read one slot; 0 when it is torn or was never written."""
    try:
        records, check = slot.rstrip(b"\0\n").split(b" ")
        number = int(records)
        return number if int(check, 16) == zlib.crc32(b"%d" % number) else 0
    except ValueError:
        return 0
