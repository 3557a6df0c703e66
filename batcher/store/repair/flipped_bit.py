"""Finds a single flipped bit in the content that a DuckDB checksum covers.

DuckDB's checksum of a block is the XOR of all its 8-byte words, each multiplied by a constant. So
the XOR of two checksums is the XOR of two products, whichever word changed, and the original of
each word can be calculated. The damaged word is the one that differs from its original in one bit.
The position of a word does not influence the checksum, and its highest bits influence it little, so
several words may match; then no bit is returned. If one bit was flipped, the returned bit is the
right one. Other damage looks like a flipped bit with a probability of about 1 in 10^13. Source:
DuckDB's checksum.cpp.
"""

import struct

_FACTOR = 0xBF58476D1CE4E5B9
_MASK = (1 << 64) - 1
_INVERSE = pow(_FACTOR, -1, 1 << 64)
_SUM_BITS = 64


def find_flipped_bit(content: bytes, computed: int, stored: int) -> int | None:
    """Return the index of the flipped bit in ``content``; 0 is the lowest bit of the first byte.

    The index is negative for a bit of the stored checksum, in the eight bytes before the content.
    None when no bit matches, or several do. Ignores the last bytes when they fill no word.
    """
    difference = computed ^ stored
    matches = []
    if difference.bit_count() == 1:
        matches.append(difference.bit_length() - 1 - _SUM_BITS)
    words: tuple[int, ...] = struct.unpack(f"<{len(content) // 8}Q", content[: len(content) & ~7])
    for index, word in enumerate(words):
        product = word * _FACTOR & _MASK
        flipped = word ^ ((product ^ difference) * _INVERSE & _MASK)
        if flipped.bit_count() == 1:
            matches.append(index * 64 + flipped.bit_length() - 1)
    return matches[0] if len(matches) == 1 else None
