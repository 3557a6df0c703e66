"""Reads the bytes that a file had when the input was opened, though the file may grow meanwhile."""

import hashlib
import io
from typing import BinaryIO

from batcher.inputs.file_stamp import FileStamp

BLOCK_BYTES = 2**20


class PlannedBytes(io.RawIOBase):
    """The first bytes of a file, as many as its stamp says.

    ``digests`` has the digest of each block that an earlier pass has read; those of new blocks are
    added. ``InputError`` when a block has changed or is missing, before any of it is returned.
    """

    def __init__(self, source: BinaryIO, stamp: FileStamp, digests: list[bytes]) -> None:
        self._source = source
        self._stamp = stamp
        self._digests = digests
        self._block = 0
        self._left = stamp.size
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read bytes of one block; 0 at the planned end."""
        if not self._ready and self._left:
            self._ready = memoryview(self._next_block())
        taken = min(len(buffer), len(self._ready))
        buffer[:taken] = self._ready[:taken]
        self._ready = self._ready[taken:]
        return taken

    def _next_block(self) -> bytes:
        wanted, pieces = min(self._left, BLOCK_BYTES), list[bytes]()
        while wanted:
            piece = self._source.read(wanted)
            if not piece:
                raise self._stamp.changed()
            pieces.append(piece)
            wanted -= len(piece)
        block = b"".join(pieces)
        digest = hashlib.blake2b(block, digest_size=16).digest()
        if self._block == len(self._digests):
            self._digests.append(digest)
        elif digest != self._digests[self._block]:
            raise self._stamp.changed()
        self._left -= len(block)
        self._block += 1
        return block
