"""One name for many values, whatever their order: as of all rows or all requests of an input."""

import hashlib
from dataclasses import dataclass

_PERSON = b"batcher-digest01"
_MODULUS = 1 << 128


@dataclass(slots=True)
class Digest:
    """The sum of the values' hashes modulo 2^128, and their number; equal values count each.

    It tells what changed by mistake or in passing; it is no defence against somebody who means to
    find two inputs of one digest (Bellare and Micciancio, 1997, on sums of hashes).
    """

    count: int = 0
    _sum: int = 0

    def add(self, value: bytes) -> None:
        """Take one more value into account."""
        self.count += 1
        hashed = hashlib.blake2b(value, digest_size=16, person=_PERSON).digest()
        self._sum = (self._sum + int.from_bytes(hashed)) % _MODULUS

    @property
    def hex(self) -> str:
        """The digest as 32 hexadecimal digits."""
        return f"{self._sum:032x}"
