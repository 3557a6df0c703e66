"""The difference between the estimation errors of the cached part of prompts and of the rest."""

import math
from collections.abc import Sequence
from statistics import median

BIAS_SIGMA = 0.13
"""The standard deviation of this difference when nothing was measured. Instructions are often in
another language than the rows; this is the rule's deviation between languages
(docs/estimating.md)."""

_MIN_SIGMA = 0.03
# The uncertainty that remains after any number of answers: the shared part may differ in length
# between rows.

_MIN_PAIRS = 10
_BILLED_TWICE = 1.7
# Real over estimated tokens, relative to the median, above which a prompt was billed twice. The
# language of a row changes the ratio by less than this.


def shared_part_bias(pairs: Sequence[tuple[float, int]], part: float) -> tuple[float, float]:
    """Estimate how much more the shared part was underestimated than the rest: mean and sigma.

    The unit is the ratio of real to estimated prompt tokens. ``pairs`` are the estimated and the
    real tokens of prompts; ``part`` is the share of the prompts that is shared. When the shared
    part has about the same length in all rows, the slope of real over estimated tokens belongs to
    the rest alone, and the remainder belongs to the shared part. The result is weighted against
    ``BIAS_SIGMA`` by the standard error of the slope (White, 1980). Weakness: when the shared parts
    differ in length and the rest does not, the slope belongs to the shared parts, and the result is
    wrong.
    """
    kept = _billed_once(pairs)
    if len(kept) < _MIN_PAIRS or not 0 < part < 1:
        return 0.0, BIAS_SIGMA
    n = len(kept)
    mean_x, mean_p = sum(x for x, _ in kept) / n, sum(p for _, p in kept) / n
    squares = sum((x - mean_x) ** 2 for x, _ in kept)
    if not squares:
        return 0.0, BIAS_SIGMA
    slope = sum((x - mean_x) * (p - mean_p) for x, p in kept) / squares
    scatter = sum(((x - mean_x) * (p - mean_p - slope * (x - mean_x))) ** 2 for x, p in kept)
    ratio = mean_p / mean_x
    bias = (1 - slope / ratio) / part
    error = math.sqrt(scatter * n / (n - 2)) / squares / ratio / part
    trust = BIAS_SIGMA**2 / (BIAS_SIGMA**2 + error**2)
    return bias * trust, max(_MIN_SIGMA, BIAS_SIGMA * math.sqrt(1 - trust))


def _billed_once(pairs: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """Keep the prompts that were billed exactly once."""
    billed = [(x, p) for x, p in pairs if x > 0 and p > 0]
    if not billed:
        return []
    middle = median(p / x for x, p in billed)
    return [(x, p) for x, p in billed if p / x < _BILLED_TWICE * middle]
