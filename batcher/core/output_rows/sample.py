"""A random sample of items in one pass; the same seed gives the same sample."""

import hashlib
import heapq
from collections.abc import Sequence


def lot(seed: int, row: int, sample: int) -> int:
    """Draw the lot of an item; the items with the smallest lots are the sample."""
    digest = hashlib.blake2b(f"{seed}:{row}:{sample}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def positions_of(lots: Sequence[int], size: int) -> list[int]:
    """Return the positions of the ``size`` smallest lots, in order."""
    return sorted(heapq.nsmallest(size, range(len(lots)), key=lots.__getitem__))
