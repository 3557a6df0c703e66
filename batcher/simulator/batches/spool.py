"""Byte strings on disk, so that batches take little memory: a file without a name."""

import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator

CHUNK = 65_536


class Spool:
    """One growing file for all batches; what was written stays until the simulator ends."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="batcher-simulator-", buffering=0)  # noqa: SIM115
        self._end = 0

    def append(self, data: bytes) -> int:
        """Write a byte string and return where it begins."""
        start = self._end
        written = os.pwrite(self._file.fileno(), data, start)
        if written != len(data):
            raise OSError("the simulator's temporary file is full")
        self._end += written
        return start

    def read(self, start: int, size: int) -> bytes:
        """Return the bytes at a place."""
        return os.pread(self._file.fileno(), size, start)

    def close(self) -> None:
        """Delete the file."""
        self._file.close()


class Records:
    """The places of a batch's byte strings in a spool: 16 bytes of memory for each."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._starts = array("Q")
        self._sizes = array("Q")

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> bytes:
        return self._spool.read(self._starts[index], self._sizes[index])

    def append(self, data: bytes) -> None:
        """Add a byte string."""
        self._starts.append(self._spool.append(data))
        self._sizes.append(len(data))

    def chunks(self) -> Iterator[bytes]:
        """Yield all byte strings in order, joined to pieces of about 64 KiB."""
        return grouped(self[index] for index in range(len(self)))


def grouped(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the parts joined to pieces of at least 64 KiB, but for the last."""
    pending: list[bytes] = []
    size = 0
    for part in parts:
        pending.append(part)
        size += len(part)
        if size >= CHUNK:
            yield b"".join(pending)
            pending, size = [], 0
    if pending:
        yield b"".join(pending)
