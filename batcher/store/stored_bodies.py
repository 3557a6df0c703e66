"""How response bodies are stored: long ones compressed, and very long ones in parts.

DuckDB handles 2,048 rows at once, whatever their size, in several copies. So its memory depends on
the longest value of a column, and no value may be long.
"""

from collections.abc import Iterator

import zstandard

PACKED_ABOVE_BYTES = 1024
"""Longer bodies are stored as a zstd frame. Never change this: readers depend on it."""

PART_BYTES = 8 << 10
"""What is longer when it is packed is stored in parts of this size; readers take any size."""


def packed(body: bytes) -> bytes:
    """Compress a long body."""
    return body if len(body) <= PACKED_ABOVE_BYTES else zstandard.compress(body, 3)


def unpacked(body: bytes | None, body_bytes: int | None) -> bytes | None:
    """Decompress a body that ``packed`` returned; ``body_bytes`` is its original size."""
    if body is None or body_bytes is None or body_bytes <= PACKED_ABOVE_BYTES:
        return body
    return zstandard.decompress(body, max_output_size=body_bytes)


def parts_of(stored: bytes) -> Iterator[bytes]:
    """Yield the parts of a packed body; none for one that is short enough to be stored whole."""
    if len(stored) > PART_BYTES:
        for start in range(0, len(stored), PART_BYTES):
            yield stored[start : start + PART_BYTES]
