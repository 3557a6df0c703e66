"""How far the cached part of the prompts was estimated otherwise than the rest of them."""

import math
from collections.abc import Sequence
from statistics import median

UNLIKE = 0.13
"""How far the text's estimates of the shared part and of the rest are off from each other, as one
standard deviation: instructions are often in another language than the rows, and this is the rule's
between languages (docs/estimating.md)."""

_LEAST_SURE = 0.03
# What is left open whatever was answered: the shared part need not be equally long in all rows.

_LEAST_PAIRS = 10
_TWICE = 1.7
# A prompt that was billed twice is no longer one; a row's own language moves it by less than this.


def unlikeness(pairs: Sequence[tuple[float, int]], part: float) -> tuple[float, float]:
    """By how much more the shared part was underestimated than the rest: mean and deviation.

    In units of real over estimated prompts. ``pairs`` are the estimated and the real prompt of
    rows, ``part`` is what share of them is shared. If that is about as long in all rows, the slope
    of real by estimated prompts is that of the rest alone, and what is left over is the shared
    part's. It is weighed against ``UNLIKE`` by how sure the slope is (White, 1980). Weakness: where
    the shared parts differ in length and the rest does not, the slope is theirs, and is misread.
    """
    kept = _once(pairs)
    if len(kept) < _LEAST_PAIRS or not 0 < part < 1:
        return 0.0, UNLIKE
    n = len(kept)
    mean_x, mean_p = sum(x for x, _ in kept) / n, sum(p for _, p in kept) / n
    squares = sum((x - mean_x) ** 2 for x, _ in kept)
    if not squares:
        return 0.0, UNLIKE
    slope = sum((x - mean_x) * (p - mean_p) for x, p in kept) / squares
    scatter = sum(((x - mean_x) * (p - mean_p - slope * (x - mean_x))) ** 2 for x, p in kept)
    ratio = mean_p / mean_x
    found = (1 - slope / ratio) / part
    error = math.sqrt(scatter * n / (n - 2)) / squares / ratio / part
    trust = UNLIKE**2 / (UNLIKE**2 + error**2)
    return found * trust, max(_LEAST_SURE, UNLIKE * math.sqrt(1 - trust))


def _once(pairs: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """Those that were billed once."""
    billed = [(x, p) for x, p in pairs if x > 0 and p > 0]
    if not billed:
        return []
    middle = median(p / x for x, p in billed)
    return [(x, p) for x, p in billed if p / x < _TWICE * middle]
