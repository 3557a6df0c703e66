"""Mends a copy of a checkpoint by what DuckDB says is wrong with it, one thing at a time.

How DuckDB 2.0 words its errors and lays out its files was measured; what is not understood is left
as it is.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from batcher.store.repair.flipped_bit import find_flipped_bit

_SUMS = r"computed checksum (\d+) does not match stored checksum (\d+)"
_BLOCK = re.compile(rf"{_SUMS} in block at location (\d+)")
_LOG_ENTRY = re.compile(rf"entry at byte position (\d+) {_SUMS}")
_LOG = re.compile(r"\bWAL\b")
_HEADERS_END = 3 * 4096
_HEADER_BYTES = 4096
_BLOCK_BYTES = 256 << 10
_SUM_BYTES = 8

TAKEN = "block_taken"
"""The kind of a finding that holds only if no record is missing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, in a word for programs and a sentence without anybody's data.

    ``is_harmless``: nothing has to be done about it.
    """

    kind: str
    message: str
    is_harmless: bool = False


def log_of(path: Path) -> Path:
    """The write-ahead log of a database file."""
    return path.with_name(f"{path.name}.wal")


def mend(path: Path, message: str) -> Finding | None:
    """Do away with what kept DuckDB from opening or reading a copy; None when nothing helps.

    Every call that returns a finding has removed a cause for good.
    """
    reason = message.replace(str(path.parent), "")
    if found := _BLOCK.search(reason):
        return _mend_block(path, *map(int, found.groups()))
    if found := _LOG_ENTRY.search(reason):
        return _mend_log(log_of(path), *map(int, found.groups()))
    if _LOG.search(reason) and log_of(path).exists():
        log_of(path).unlink()
        return Finding(
            "log_unusable",
            f"{log_of(path).name} is damaged at its start or belongs to another checkpoint; "
            "none of it can be read",
        )
    return None


def take_as_it_is(path: Path, message: str) -> Finding | None:
    """Let DuckDB read a block of a copy whose checksum does not fit; None when it is no block.

    DuckDB writes a block of its catalogue in place at every checkpoint: what the old state needs of
    it stays the same, and what a power cut tears is new and not referred to yet. So the block may
    hold all that counts though its checksum is wrong. Whoever takes it has to see that nothing is
    missing.
    """
    found = _BLOCK.search(message.replace(str(path.parent), ""))
    if found is None or (location := int(found[3])) < _HEADERS_END:
        return None
    with path.open("r+b") as file:
        file.seek(location)
        file.write(int(found[1]).to_bytes(_SUM_BYTES, "little"))
    return Finding(
        TAKEN,
        f"{path.name}: the checksum of the block at byte {location:,} does not fit, as after a "
        "power cut; taken as it is, because no record is missing",
    )


def _mend_block(path: Path, computed: int, stored: int, location: int) -> Finding | None:
    size = _HEADER_BYTES if location < _HEADERS_END else _BLOCK_BYTES
    at = _flip_back(path, location + _SUM_BYTES, size - _SUM_BYTES, computed, stored)
    if at is None:
        return None
    return Finding("bit_flipped", f"{path.name}: one bit was flipped in byte {at:,}; put right")


def _mend_log(log: Path, position: int, computed: int, stored: int) -> Finding:
    """Put the flipped bit of an entry right, or cut the log before it."""
    start = position - 2 * _SUM_BYTES
    with log.open("rb") as file:
        file.seek(start)
        size = int.from_bytes(file.read(_SUM_BYTES), "little")
    at = _flip_back(log, position, min(size, log.stat().st_size), computed, stored)
    if at is not None:
        return Finding("bit_flipped", f"{log.name}: one bit was flipped in byte {at:,}; put right")
    lost = log.stat().st_size - start
    os.truncate(log, start)
    return Finding(
        "log_damaged",
        f"{log.name} is damaged at byte {start:,}; the {lost:,} bytes from there on are lost",
    )


def _flip_back(path: Path, start: int, size: int, computed: int, stored: int) -> int | None:
    """Flip the one wrong bit of what follows a checksum, or of that; return where its byte is."""
    with path.open("rb") as file:
        file.seek(start)
        bit = find_flipped_bit(file.read(size), computed, stored)
    if bit is None:
        return None
    at = start + bit // 8
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit % 8]))
    return at
