"""Seeded chance that is the same in every process and on every Python version."""

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """A stream of choices named by a seed and any number of words.

    Only ``Random.random`` is used: its stream is promised to stay the same, that of ``choice``
    and ``shuffle`` is not.
    """

    __slots__ = ("_random",)

    def __init__(self, seed: int, *names: str) -> None:
        text = "\0".join((str(seed), *names)).encode()
        digest = hashlib.blake2b(text, digest_size=16).digest()
        self._random = random.Random(int.from_bytes(digest)).random  # noqa: S311

    def share(self) -> float:
        """Draw a number from 0 up to, but without, 1."""
        return self._random()

    def chance(self, probability: float) -> bool:
        """Return true with this probability."""
        return self._random() < probability

    def below(self, end: int) -> int:
        """Draw a whole number from 0 up to, but without, ``end``."""
        return int(self._random() * end)

    def between(self, low: int, high: int) -> int:
        """Draw a whole number from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def pick(self, choices: Sequence[T]) -> T:
        """Draw one of the choices, each as likely."""
        return choices[self.below(len(choices))]
