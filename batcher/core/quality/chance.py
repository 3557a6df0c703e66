"""How likely counts in two samples differ as much as they do by chance alone."""

import math
from collections.abc import Sequence

_LEAST_EXPECTED = 5


def chi_square_survival(value: float, degrees: int) -> float:
    """The chance that a chi-square variable of so many degrees of freedom is above a value.

    For whole degrees the regularised upper gamma function is a finite sum of positive terms
    (Abramowitz and Stegun, 1964, 26.4.4 and 26.4.5), so nothing cancels.
    """
    half = value / 2
    if half <= 0:
        return 1.0
    powers = (step + degrees % 2 / 2 for step in range(degrees // 2))
    terms = [math.exp(k * math.log(half) - half - math.lgamma(k + 1)) for k in powers]
    if degrees % 2:
        terms.append(math.erfc(math.sqrt(half)))
    return min(1.0, math.fsum(terms))


def p_value(then: Sequence[int], now: Sequence[int]) -> float | None:
    """Pearson's chi-square test of homogeneity of two samples, class by class.

    The test is an approximation that needs about five expected counts in each cell (Cochran, 1954),
    so that rarer classes are taken together as one; None where fewer than two groups are left, in
    samples too small to tell. Rows are taken for independent of each other.
    """
    before, after = sum(then), sum(now)
    groups = _grouped(then, now)
    if len(groups) < 2:
        return None
    statistic = 0.0
    for old, new in groups:
        pooled = (old + new) / (before + after)
        statistic += (old - before * pooled) ** 2 / (before * pooled)
        statistic += (new - after * pooled) ** 2 / (after * pooled)
    return chi_square_survival(statistic, len(groups) - 1)


def _grouped(then: Sequence[int], now: Sequence[int]) -> list[tuple[int, int]]:
    """The counts of classes with enough in both samples; the others in one, or in the smallest."""
    smaller = min(sum(then), sum(now))
    everything = sum(then) + sum(now)

    def is_enough(old: int, new: int) -> bool:
        return smaller * (old + new) >= _LEAST_EXPECTED * everything

    pairs = sorted(zip(then, now, strict=True), key=sum, reverse=True)
    kept = [pair for pair in pairs if is_enough(*pair)]
    rest = pairs[len(kept) :]
    others = sum(old for old, _ in rest), sum(new for _, new in rest)
    if is_enough(*others):
        return [*kept, others]
    if kept:
        old, new = kept[-1]
        kept[-1] = old + others[0], new + others[1]
    return kept
