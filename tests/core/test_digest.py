"""A digest of many values: the same in any order, different for different values."""

from collections.abc import Iterable
from hashlib import blake2b
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from batcher.core.digest import Digest

values = st.lists(st.binary(max_size=8), max_size=12)


def digest_of(items: Iterable[bytes]) -> Digest:
    """Return the digest of the values' hashes."""
    digest = Digest()
    for value in items:
        digest.add(blake2b(value, digest_size=16).digest())
    return digest


@given(values, st.randoms())
def test_the_order_does_not_matter(items: list[bytes], random: Random) -> None:
    """The digest is the same in any order."""
    shuffled = list(items)
    random.shuffle(shuffled)
    assert digest_of(shuffled) == digest_of(items)


@given(values, values)
def test_different_values_have_different_digests(some: list[bytes], others: list[bytes]) -> None:
    """Only the same values, each with the same count, have the same digest."""
    is_same = sorted(some) == sorted(others)
    assert (digest_of(some).hex == digest_of(others).hex) == is_same


@given(values, st.binary(max_size=8), st.integers(1, 3))
def test_every_occurrence_of_a_value_counts(items: list[bytes], value: bytes, times: int) -> None:
    """Equal rows do not cancel out."""
    more = digest_of(items + [value] * times)
    assert more.count == len(items) + times
    assert more.hex != digest_of(items).hex


def test_the_digest_does_not_change_between_versions() -> None:
    """A plan file of an older version is still valid."""
    assert Digest().hex == "0" * 32
    digest = Digest()
    for hashed in (b"\x00" * 15 + b"\x03", b"\xff" * 16, b"\x10" + b"\x00" * 15):
        digest.add(hashed)
    assert digest.hex == f"10{2:030x}"
