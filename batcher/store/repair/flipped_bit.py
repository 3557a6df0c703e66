"""Finds the one bit that was flipped in what a DuckDB checksum covers.

DuckDB sums up a block by XOR-ing the product of each 8-byte word with a constant. So the difference
of two checksums is the difference of two products, whichever word it was, and each word tells what
it would have to have been: the right one is a single bit away. Where a word lies does not count,
and its highest bits hardly spread, so several words may fit; then none is taken. A bit that is
found is the right one if only one was flipped; that other damage looks like it has a probability of
about 1 in 10^13. Source: DuckDB's checksum.cpp.
"""

import struct

_FACTOR = 0xBF58476D1CE4E5B9
_MASK = (1 << 64) - 1
_INVERSE = pow(_FACTOR, -1, 1 << 64)
_SUM_BITS = 64


def find_flipped_bit(content: bytes, computed: int, stored: int) -> int | None:
    """The index of the bit in ``content``, from its first byte's lowest.

    Negative in the stored checksum, which lies in the eight bytes before. None when no bit fits, or
    several do. The last bytes, which fill no word, are left out.
    """
    difference = computed ^ stored
    found = []
    if difference.bit_count() == 1:
        found.append(difference.bit_length() - 1 - _SUM_BITS)
    words: tuple[int, ...] = struct.unpack(f"<{len(content) // 8}Q", content[: len(content) & ~7])
    for index, word in enumerate(words):
        product = word * _FACTOR & _MASK
        flipped = word ^ ((product ^ difference) * _INVERSE & _MASK)
        if flipped.bit_count() == 1:
            found.append(index * 64 + flipped.bit_length() - 1)
    return found[0] if len(found) == 1 else None
