"""Whether labels are spread over their classes as they were in the run before."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batcher.core.quality.chance import p_value

_RARE = 0.01
_LEAST_MOVED = 0.02
_MOST_MOVED = 5


@dataclass(frozen=True, slots=True)
class Moved:
    """One class and its share of the labels, then and now."""

    name: str
    then: float
    now: float


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the distributions of labels in two runs are apart.

    ``distance`` is the total variation distance: the share of labels that would have to change for
    the distributions to be the same. ``divergence`` is that of Jensen and Shannon (Lin, 1991), in
    bits, from 0 to 1. ``p_value`` is how likely chance alone does as much, None in samples too
    small to tell. ``moved`` are the classes whose share changed most.
    """

    rows_then: int
    rows_now: int
    distance: float
    divergence: float
    p_value: float | None
    moved: tuple[Moved, ...]

    @property
    def is_real(self) -> bool:
        """Whether it is worth a word: hardly chance (1 in 100), and at least 2 % of the labels.

        Both are asked for, because in a million rows nothing is chance however small it is, and in
        thirty rows a tenth of the labels move without a reason. A field of a nightly job that never
        changes is reported in about 1 of 100 nights at most.
        """
        is_rare = self.p_value is not None and self.p_value < _RARE
        return is_rare and self.distance >= _LEAST_MOVED

    def as_json(self) -> dict[str, Any]:
        """All of it for programs."""
        return {
            "rows_then": self.rows_then,
            "rows_now": self.rows_now,
            "distance": self.distance,
            "divergence_bits": self.divergence,
            "p_value": self.p_value,
            "is_real": self.is_real,
            "moved": [{"class": one.name, "then": one.then, "now": one.now} for one in self.moved],
        }


def drift(then: Mapping[str, int], now: Mapping[str, int], most: int = _MOST_MOVED) -> Drift | None:
    """Compare the counts of classes in two runs; None when one has no labels.

    The runs must not share rows: two counts of an input that grew would be alike because they are
    mostly the same rows.
    """
    before, after = sum(then.values()), sum(now.values())
    if not before or not after:
        return None
    names = sorted({*then, *now})
    old, new = [then.get(name, 0) for name in names], [now.get(name, 0) for name in names]
    shares = [
        Moved(name, one / before, other / after)
        for name, one, other in zip(names, old, new, strict=True)
    ]
    changed = [one for one in shares if one.then != one.now]
    return Drift(
        before,
        after,
        math.fsum(abs(one.then - one.now) for one in shares) / 2,
        _divergence(shares),
        p_value(old, new),
        tuple(sorted(changed, key=lambda one: (-abs(one.then - one.now), one.name))[:most]),
    )


def _divergence(shares: Sequence[Moved]) -> float:
    """The mean of both distributions' relative entropies to their mean."""
    terms = (
        share * math.log2(2 * share / (one.then + one.now)) / 2
        for one in shares
        for share in (one.then, one.now)
        if share
    )
    return min(1.0, max(0.0, math.fsum(terms)))
