"""A flipped bit is put right exactly, or left alone."""

import struct
from functools import reduce
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.store.repair.flipped_bit import find_flipped_bit


def checksum(content: bytes) -> int:
    """DuckDB's, of whole words."""
    words = struct.unpack(f"<{len(content) // 8}Q", content)
    return reduce(xor, (word * 0xBF58476D1CE4E5B9 % 2**64 for word in words), 5381)


def flip(content: bytes, bit: int) -> bytes:
    """Flip one bit."""
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@given(st.binary(min_size=8, max_size=800), st.integers(0), st.sampled_from([1, 3]))
def test_what_is_found_is_right(content: bytes, number: int, times: int) -> None:
    """Whatever the content, also with few different words, no other bit is ever named."""
    content = content[: len(content) & ~7] * times
    bit = number % (len(content) * 8)
    damaged = flip(content, bit)
    assert find_flipped_bit(damaged, checksum(damaged), checksum(content)) in (bit, None)


def test_a_bit_among_different_words_is_found() -> None:
    """Of the lower half of a word every bit is."""
    content = struct.pack("<32Q", *(index * 0x9E3779B97F4A7C15 % 2**64 for index in range(1, 33)))
    for bit in range(32):
        damaged = flip(content, 640 + bit)
        assert find_flipped_bit(damaged, checksum(damaged), checksum(content)) == 640 + bit


def test_equal_words_cannot_be_told_apart() -> None:
    """Where a word lies is not in the checksum, so a bit among zeros stays as it is."""
    content = bytes(4096)
    damaged = flip(content, 77)
    assert find_flipped_bit(damaged, checksum(damaged), checksum(content)) is None


def test_a_damaged_checksum() -> None:
    """A bit of the stored sum, which lies before the content, is told by a negative index."""
    content = bytes(range(256))
    assert find_flipped_bit(content, checksum(content), checksum(content) ^ 1 << 5) == 5 - 64


@pytest.mark.parametrize("bits", [(3, 900), (64, 65)])
def test_two_flipped_bits_are_left_alone(bits: tuple[int, int]) -> None:
    """Nothing is made up."""
    content = struct.pack("<32Q", *(index * 0x9E3779B97F4A7C15 % 2**64 for index in range(1, 33)))
    damaged = flip(flip(content, bits[0]), bits[1])
    assert find_flipped_bit(damaged, checksum(damaged), checksum(content)) is None
