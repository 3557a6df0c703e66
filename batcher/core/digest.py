"""One digest of many hashes in any order: of all rows or all requests of an input."""

from collections.abc import Sequence
from dataclasses import dataclass

_MODULUS = 1 << 128


@dataclass(slots=True)
class Digest:
    """The sum of 16-byte hashes modulo 2^128, and their number; equal hashes are all counted.

    It detects accidental changes. It does not protect against an attacker who constructs two inputs
    with the same digest (Bellare and Micciancio, 1997, on sums of hashes).
    """

    count: int = 0
    _sum: int = 0

    def add(self, hashed: bytes) -> None:
        """Add a hash."""
        self.count += 1
        self._sum += int.from_bytes(hashed)

    def add_all(self, hashes: Sequence[bytes]) -> None:
        """Add several hashes."""
        self.count += len(hashes)
        self._sum += sum(map(int.from_bytes, hashes))

    @property
    def hex(self) -> str:
        """The digest as 32 hexadecimal digits."""
        return f"{self._sum % _MODULUS:032x}"
