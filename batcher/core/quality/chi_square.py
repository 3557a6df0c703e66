"""The chi-square test: whether the counts of two samples differ by more than chance."""

import math
from collections.abc import Sequence

_MIN_EXPECTED = 5


def chi_square_survival(value: float, degrees: int) -> float:
    """Return the probability that a chi-square variable exceeds ``value``.

    ``degrees`` is the number of degrees of freedom. For whole degrees the regularised upper gamma
    function is a finite sum of positive terms (Abramowitz and Stegun, 1964, 26.4.4 and 26.4.5), so
    no digits cancel.
    """
    half = value / 2
    if half <= 0:
        return 1.0
    powers = (step + degrees % 2 / 2 for step in range(degrees // 2))
    terms = [math.exp(k * math.log(half) - half - math.lgamma(k + 1)) for k in powers]
    if degrees % 2:
        terms.append(math.erfc(math.sqrt(half)))
    return min(1.0, math.fsum(terms))


def p_value(before: Sequence[int], now: Sequence[int]) -> float | None:
    """Return the p-value of Pearson's chi-square test of homogeneity; counts are class by class.

    The test is an approximation that needs about five expected counts in each cell (Cochran, 1954),
    so rarer classes are merged into one. None when fewer than two groups are left: the samples are
    too small. The test assumes that rows are independent of each other.
    """
    total_before, total_now = sum(before), sum(now)
    groups = _grouped(before, now)
    if len(groups) < 2:
        return None
    statistic = 0.0
    for count_before, count_now in groups:
        pooled = (count_before + count_now) / (total_before + total_now)
        for count, total in ((count_before, total_before), (count_now, total_now)):
            statistic += (count - total * pooled) ** 2 / (total * pooled)
    return chi_square_survival(statistic, len(groups) - 1)


def _grouped(before: Sequence[int], now: Sequence[int]) -> list[tuple[int, int]]:
    """Return the counts with rare classes merged into one class, or into the smallest other."""
    smaller = min(sum(before), sum(now))
    everything = sum(before) + sum(now)

    def is_enough(pair: tuple[int, int]) -> bool:
        return smaller * sum(pair) >= _MIN_EXPECTED * everything

    pairs = sorted(zip(before, now, strict=True), key=sum, reverse=True)
    kept = [pair for pair in pairs if is_enough(pair)]
    rare = pairs[len(kept) :]
    merged = sum(count for count, _ in rare), sum(count for _, count in rare)
    if is_enough(merged):
        return [*kept, merged]
    if kept:
        smallest = kept[-1]
        kept[-1] = smallest[0] + merged[0], smallest[1] + merged[1]
    return kept
