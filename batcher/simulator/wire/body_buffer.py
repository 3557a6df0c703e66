"""Collects the body of a request as it arrives: in memory, or in a file if it may be very large."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile

IN_MEMORY_BYTES = 1_048_576
"""The size at which a body that may be very large goes to a file."""

BodyFile = SpooledTemporaryFile[bytes]


@dataclass(frozen=True, slots=True)
class BodySizes:
    """The largest body, and by path the largest one of those that go to a file."""

    usual: int
    in_files: Mapping[str, int] = field(default_factory=dict)


class BodyBuffer:
    """The body so far; one that is too large is dropped."""

    def __init__(self, sizes: BodySizes, path: str) -> None:
        path = path.rstrip("/")
        self._maximum = sizes.in_files.get(path, sizes.usual)
        self._data = bytearray()
        self.file: BodyFile | None = None
        if path in sizes.in_files:
            self.file = SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115
        self.size = 0
        self.is_too_large = False

    @property
    def data(self) -> bytes:
        """The body, unless it is in the file."""
        return bytes(self._data)

    def append(self, data: bytes | bytearray) -> None:
        """Add what has arrived."""
        self.size += len(data)
        if self.size > self._maximum:
            self.is_too_large = True
            self._data.clear()
            self.close()
        elif self.file is not None:
            self.file.write(data)
        else:
            self._data += data

    def release_file(self) -> BodyFile | None:
        """Return the file, which the caller must close."""
        file, self.file = self.file, None
        return file

    def close(self) -> None:
        """Delete the file, unless it was released."""
        file = self.release_file()
        if file is not None:
            file.close()
