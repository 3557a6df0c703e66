"""Seeded random choices that are the same in every process and on every Python version."""

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class SeededRandom:
    """A stream of random choices, identified by a seed and any number of names.

    It calls ``Random.random`` only: Python promises to keep that stream stable, but not the
    streams of ``choice`` and ``shuffle``.
    """

    __slots__ = ("_random",)

    def __init__(self, seed: int, *names: str) -> None:
        text = "\0".join((str(seed), *names)).encode()
        digest = hashlib.blake2b(text, digest_size=16).digest()
        self._random = random.Random(int.from_bytes(digest)).random  # noqa: S311

    def fraction(self) -> float:
        """Return a number from 0 (included) to 1 (excluded)."""
        return self._random()

    def chance(self, probability: float) -> bool:
        """Return true with this probability."""
        return self._random() < probability

    def below(self, end: int) -> int:
        """Return a whole number from 0 (included) to ``end`` (excluded)."""
        return int(self._random() * end)

    def between(self, low: int, high: int) -> int:
        """Return a whole number from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices; each is equally likely."""
        return choices[self.below(len(choices))]
