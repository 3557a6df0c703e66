"""Fixes a copy of a damaged checkpoint, one problem at a time, guided by DuckDB's error messages.

The messages and the file layout are those of DuckDB 2.0, found by experiment. A message that is not
recognized changes nothing.
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

BLOCK_ACCEPTED = "block_accepted"
"""The kind of a finding that is valid only if no record is missing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem: ``kind`` is for programs, ``message`` is a sentence without the user's data.

    ``is_harmless``: no action is needed.
    """

    kind: str
    message: str
    is_harmless: bool = False


def log_of(path: Path) -> Path:
    """Return the path of a database file's write-ahead log."""
    return path.with_name(f"{path.name}.wal")


def fix_copy(path: Path, message: str) -> Finding | None:
    """Fix the problem that DuckDB's error message describes in a copy; None when it cannot.

    Each call that returns a finding has removed a problem permanently.
    """
    reason = message.replace(str(path.parent), "")
    if found := _BLOCK.search(reason):
        return _fix_block(path, *map(int, found.groups()))
    if found := _LOG_ENTRY.search(reason):
        return _fix_log(log_of(path), *map(int, found.groups()))
    if _LOG.search(reason) and log_of(path).exists():
        log_of(path).unlink()
        return Finding(
            "log_unusable",
            f"{log_of(path).name} is damaged at its start or belongs to another checkpoint; "
            "it cannot be read",
        )
    return None


def accept_block(path: Path, message: str) -> Finding | None:
    """Replace the wrong checksum of a block in a copy; None when the message names no block.

    DuckDB overwrites a block of its catalogue in place at every checkpoint. The part that the old
    state needs stays the same; a power cut damages only the new part, which nothing refers to yet.
    So the block may be usable although its checksum is wrong. The caller must check that no record
    is missing.
    """
    found = _BLOCK.search(message.replace(str(path.parent), ""))
    if found is None or (location := int(found[3])) < _HEADERS_END:
        return None
    with path.open("r+b") as file:
        file.seek(location)
        file.write(int(found[1]).to_bytes(_SUM_BYTES, "little"))
    return Finding(
        BLOCK_ACCEPTED,
        f"{path.name}: the checksum of the block at byte {location:,} is wrong, as after a power "
        "cut; the block was accepted, because no record is missing",
    )


def _fix_block(path: Path, computed: int, stored: int, location: int) -> Finding | None:
    size = _HEADER_BYTES if location < _HEADERS_END else _BLOCK_BYTES
    at = _restore_bit(path, location + _SUM_BYTES, size - _SUM_BYTES, computed, stored)
    if at is None:
        return None
    return Finding("bit_flipped", f"{path.name}: a flipped bit in byte {at:,} was restored")


def _fix_log(log: Path, position: int, computed: int, stored: int) -> Finding:
    """Restore the flipped bit of an entry, or truncate the log before the entry."""
    start = position - 2 * _SUM_BYTES
    with log.open("rb") as file:
        file.seek(start)
        size = int.from_bytes(file.read(_SUM_BYTES), "little")
    at = _restore_bit(log, position, min(size, log.stat().st_size), computed, stored)
    if at is not None:
        return Finding("bit_flipped", f"{log.name}: a flipped bit in byte {at:,} was restored")
    lost = log.stat().st_size - start
    os.truncate(log, start)
    return Finding(
        "log_damaged",
        f"{log.name} is damaged at byte {start:,}; its last {lost:,} bytes cannot be read",
    )


def _restore_bit(path: Path, start: int, size: int, computed: int, stored: int) -> int | None:
    """Restore a flipped bit in a checksum or the content after it; return its byte's position."""
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
