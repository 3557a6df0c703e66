"""One name for many hashes, whatever their order: as of all rows or all requests of an input."""

from dataclasses import dataclass

_MODULUS = 1 << 128


@dataclass(slots=True)
class Digest:
    """The sum of hashes of 16 bytes modulo 2^128, and their number; equal ones count each.

    It tells what changed by mistake or in passing; it is no defence against somebody who means to
    find two inputs of one digest (Bellare and Micciancio, 1997, on sums of hashes).
    """

    count: int = 0
    _sum: int = 0

    def add(self, hashed: bytes) -> None:
        """Take one more hash into account."""
        self.count += 1
        self._sum += int.from_bytes(hashed)

    @property
    def hex(self) -> str:
        """The digest as 32 hexadecimal digits."""
        return f"{self._sum % _MODULUS:032x}"
