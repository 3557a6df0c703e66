"""Splits plain, gzip and Zstandard files into lines, in bounded memory."""

import gzip
import io
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

from batcher.errors import InputError

MAX_LINE_BYTES = 64 * 2**20
_BLOCK_BYTES = 2**18
_GZIP = b"\x1f\x8b"
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
# How much goes to the Zstandard decoder in one call. One kilobyte of a malicious frame can become
# about 40 MB; one of normal data becomes about 4 kB, for which a call is still cheap.
_PIECE_BYTES = 2**10


def lines(
    path: Path,
    name: str,
    view: Callable[[BinaryIO], io.RawIOBase] = lambda raw: cast("io.RawIOBase", raw),
) -> Generator[bytes | None, None, None]:
    r"""Yield the lines of a file with their ``\n``; None for one over ``MAX_LINE_BYTES``.

    ``view`` returns what is read of the file, before it is decompressed. Only ``\n`` ends a line.
    Several gzip members or Zstandard frames are read as one file.
    Raises ``InputError`` when the file cannot be read or its compression is damaged.
    """
    with _errors_named(name), path.open("rb", buffering=0) as raw:
        seen = view(cast("BinaryIO", raw))
        file = io.BufferedReader(_decompressed(seen, path), _BLOCK_BYTES)
        while line := file.readline(MAX_LINE_BYTES + 1):
            if len(line) <= MAX_LINE_BYTES:
                yield line
                continue
            while line and not line.endswith(b"\n"):
                line = file.readline(_BLOCK_BYTES)
            yield None


@contextmanager
def _errors_named(name: str) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        problem = "damaged, or not compressed as its ending says"
        if isinstance(error, EOFError):
            problem = "cut short"
        raise InputError(f"{name} is {problem}", hint="copy or create the file again") from error
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror or 'read error'}") from error


def _decompressed(raw: io.RawIOBase, path: Path) -> io.RawIOBase:
    """Return what a file holds; its first bytes count more than its ending."""
    with path.open("rb") as file:
        start = file.read(4)
    ending = path.suffix.lower()
    if start == _ZSTANDARD or (ending in (".zst", ".zstd") and not start.startswith(_GZIP)):
        return _Zstandard(cast("BinaryIO", raw))
    if start.startswith(_GZIP) or ending in (".gz", ".gzip"):
        return cast("io.RawIOBase", gzip.GzipFile(fileobj=cast("BinaryIO", raw)))
    return raw


class _Zstandard(io.RawIOBase):
    """A decompressed view of a file of frames; ``EOFError`` when the last frame is cut short.

    zstandard's own stream reader does not report a missing end, so it cannot be used here.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._decoder = zstandard.ZstdDecompressor()
        self._frame = self._decoder.decompressobj()
        self._is_inside = False
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._ready and self._fill():
            pass
        taken = min(len(buffer), len(self._ready))
        buffer[:taken] = self._ready[:taken]
        self._ready = self._ready[taken:]
        return taken

    def _fill(self) -> bool:
        """Decode the next piece; return False at the end of the file."""
        piece = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:
            self._frame = self._decoder.decompressobj()
            self._is_inside = False
        piece = piece or self._source.read(_PIECE_BYTES)
        if not piece:
            if self._is_inside:
                raise EOFError
            return False
        self._is_inside = True
        self._ready = memoryview(self._frame.decompress(piece))
        return True
