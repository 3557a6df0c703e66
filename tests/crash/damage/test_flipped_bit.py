"""A flipped bit is restored exactly, or not at all."""

import struct
from functools import reduce
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.store.repair.flipped_bit import find_flipped_bit


def checksum(content: bytes) -> int:
    """Return DuckDB's checksum of complete words."""
    words = struct.unpack(f"<{len(content) // 8}Q", content)
    return reduce(xor, (word * 0xBF58476D1CE4E5B9 % 2**64 for word in words), 5381)


def flip(content: bytes, bit: int) -> bytes:
    """Flip one bit."""
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@given(st.binary(min_size=8, max_size=800), st.integers(0), st.sampled_from([1, 3]))
def test_a_found_bit_is_the_right_one(content: bytes, number: int, times: int) -> None:
    """No other bit is returned, whatever the content, even with few different words."""
    content = content[: len(content) & ~7] * times
    bit = number % (len(content) * 8)
    damaged = flip(content, bit)
    assert find_flipped_bit(damaged, checksum(damaged), checksum(content)) in (bit, None)


def test_a_bit_among_different_words_is_found() -> None:
    """Every bit of the lower half of a word is found."""
    content = struct.pack("<32Q", *(index * 0x9E3779B97F4A7C15 % 2**64 for index in range(1, 33)))
    for bit in range(32):
        damaged = flip(content, 640 + bit)
        assert find_flipped_bit(damaged, checksum(damaged), checksum(content)) == 640 + bit


def test_a_bit_among_equal_words_is_not_found() -> None:
    """The checksum does not depend on the position of a word, so a bit among zeros is not found."""
    content = bytes(4096)
    damaged = flip(content, 77)
    assert find_flipped_bit(damaged, checksum(damaged), checksum(content)) is None


def test_a_damaged_checksum() -> None:
    """A bit of the stored checksum, which is before the content, has a negative index."""
    content = bytes(range(256))
    assert find_flipped_bit(content, checksum(content), checksum(content) ^ 1 << 5) == 5 - 64


@pytest.mark.parametrize("bits", [(3, 900), (64, 65)])
def test_two_flipped_bits_are_not_found(bits: tuple[int, int]) -> None:
    """No wrong bit is returned."""
    content = struct.pack("<32Q", *(index * 0x9E3779B97F4A7C15 % 2**64 for index in range(1, 33)))
    damaged = flip(flip(content, bits[0]), bits[1])
    assert find_flipped_bit(damaged, checksum(damaged), checksum(content)) is None
