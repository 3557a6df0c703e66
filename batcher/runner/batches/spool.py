"""The body of a batch that is being made: in a file without a name, because it may be 256 MB."""

import tempfile
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from batcher.errors import CheckpointError

_START = b'{"requests":['
_END = b"]}"


class Spool:
    """Collects the items of one batch.

    Nobody else can open the file, and it disappears with the process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with self._needing_space():
            self.file = cast("BinaryIO", tempfile.TemporaryFile(dir=folder))  # noqa: SIM115
            self.file.write(_START)
        self._ends = array("Q", [len(_START)])

    @property
    def requests(self) -> int:
        """The number of items."""
        return len(self._ends) - 1

    @property
    def size(self) -> int:
        """The size of the whole body, in bytes."""
        return self._ends[-1] + len(_END)

    def bytes_of(self, custom_id: str, body: bytes) -> int:
        """Return by how many bytes an item would make the body larger."""
        return len(self._item(custom_id, body))

    def add(self, custom_id: str, body: bytes) -> None:
        """Add an item; ``body`` is the request as JSON. Raises CheckpointError on a full disk."""
        item = self._item(custom_id, body)
        with self._needing_space():
            self.file.write(item)
        self._ends.append(self._ends[-1] + len(item))

    def keep(self, requests: int) -> None:
        """Remove all items but the first ones."""
        del self._ends[requests + 1 :]
        with self._needing_space():
            self.file.seek(self._ends[-1])
            self.file.truncate()

    def finish(self) -> None:
        """Complete the body; raises CheckpointError on a full disk."""
        with self._needing_space():
            self.file.write(_END)
            self.file.flush()

    def close(self) -> None:
        """Delete the file; what a full disk did not take is not needed any more."""
        with suppress(OSError):
            self.file.close()

    @contextmanager
    def _needing_space(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CheckpointError(
                f"cannot write the body of a batch into {self._folder}: {error.strerror}",
                hint="free disk space, then run the same command again: nothing of it was sent",
            ) from None

    def _item(self, custom_id: str, body: bytes) -> bytes:
        comma = b"," if self.requests else b""
        return b'%s{"custom_id":"%s","params":%s}' % (comma, custom_id.encode(), body)
