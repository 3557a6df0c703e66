"""One name for many values: the same in any order, another for any other values."""

from collections.abc import Iterable
from hashlib import blake2b
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from batcher.core.digest import Digest

values = st.lists(st.binary(max_size=8), max_size=12)


def digest_of(them: Iterable[bytes]) -> Digest:
    """The digest of some values' hashes."""
    digest = Digest()
    for value in them:
        digest.add(blake2b(value, digest_size=16).digest())
    return digest


@given(values, st.randoms())
def test_the_order_does_not_matter(them: list[bytes], random: Random) -> None:
    """However they come, the name is the same."""
    shuffled = list(them)
    random.shuffle(shuffled)
    assert digest_of(shuffled) == digest_of(them)


@given(values, values)
def test_other_values_have_another_name(some: list[bytes], others: list[bytes]) -> None:
    """Only the same values, each as often, have the same name."""
    is_same = sorted(some) == sorted(others)
    assert (digest_of(some).hex == digest_of(others).hex) == is_same


@given(values, st.binary(max_size=8), st.integers(1, 3))
def test_a_value_counts_as_often_as_it_comes(them: list[bytes], value: bytes, times: int) -> None:
    """Equal rows do not cancel out."""
    more = digest_of(them + [value] * times)
    assert more.count == len(them) + times
    assert more.hex != digest_of(them).hex


def test_it_stays_the_same_from_version_to_version() -> None:
    """A plan file that was written before is still understood."""
    assert Digest().hex == "0" * 32
    digest = Digest()
    for hashed in (b"\x00" * 15 + b"\x03", b"\xff" * 16, b"\x10" + b"\x00" * 15):
        digest.add(hashed)
    assert digest.hex == f"10{2:030x}"
