"""Measures how far the distribution of labels over classes differs from the previous run."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batcher.core.quality.chi_square import p_value

_SIGNIFICANCE = 0.01
_MIN_DISTANCE = 0.02
_CHANGES_REPORTED = 5


@dataclass(frozen=True, slots=True)
class ClassChange:
    """One class and its share of the labels, before and now."""

    name: str
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class Drift:
    """How much the distributions of labels in two runs differ.

    ``distance`` is the total variation distance: the share of labels that would have to change for
    the distributions to be the same. ``divergence`` is the Jensen-Shannon divergence (Lin, 1991),
    in bits, from 0 to 1. ``p_value`` is the probability of such a difference by chance alone, None
    when the samples are too small. ``changes`` are the classes whose share changed most.
    """

    rows_before: int
    rows_now: int
    distance: float
    divergence: float
    p_value: float | None
    changes: tuple[ClassChange, ...]

    @property
    def is_significant(self) -> bool:
        """Whether to report it: p below 0.01 and at least 2 % of the labels.

        Both are needed: in a million rows even a tiny difference is significant, and in thirty
        rows a tenth of the labels changes by chance. A field of a nightly job whose distribution
        never changes is reported in at most about 1 of 100 nights.
        """
        is_rare = self.p_value is not None and self.p_value < _SIGNIFICANCE
        return is_rare and self.distance >= _MIN_DISTANCE

    def as_json(self) -> dict[str, Any]:
        """Return all figures for programs."""
        return {
            "rows_before": self.rows_before,
            "rows_now": self.rows_now,
            "distance": self.distance,
            "divergence_bits": self.divergence,
            "p_value": self.p_value,
            "is_significant": self.is_significant,
            "changes": [
                {"class": change.name, "before": change.before, "now": change.now}
                for change in self.changes
            ],
        }


def drift(
    before: Mapping[str, int], now: Mapping[str, int], limit: int = _CHANGES_REPORTED
) -> Drift | None:
    """Compare the counts of classes in two runs; None when a run has no labels.

    The two counts must not share rows: counts of an input that grew would agree because they are
    mostly of the same rows. ``limit`` is the number of changes to report.
    """
    rows_before, rows_now = sum(before.values()), sum(now.values())
    if not rows_before or not rows_now:
        return None
    names = sorted({*before, *now})
    shares = [
        ClassChange(name, before.get(name, 0) / rows_before, now.get(name, 0) / rows_now)
        for name in names
    ]
    changed = [share for share in shares if share.before != share.now]
    return Drift(
        rows_before,
        rows_now,
        math.fsum(abs(share.before - share.now) for share in shares) / 2,
        _divergence(shares),
        p_value([before.get(name, 0) for name in names], [now.get(name, 0) for name in names]),
        tuple(sorted(changed, key=_largest_first)[:limit]),
    )


def _largest_first(change: ClassChange) -> tuple[float, str]:
    return -abs(change.before - change.now), change.name


def _divergence(shares: Sequence[ClassChange]) -> float:
    """Return the mean relative entropy of both distributions to their mean, in bits."""
    terms = (
        share * math.log2(2 * share / (change.before + change.now)) / 2
        for change in shares
        for share in (change.before, change.now)
        if share
    )
    return min(1.0, max(0.0, math.fsum(terms)))
