"""What a plan will use and cost, for each way of sending it, and which way to choose."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from batcher.core.estimate.evidence import Bucket, Evidence, OutputRange, Weights
from batcher.core.estimate.outputs import output_range
from batcher.core.estimate.predict import LEAST_ANSWERS, predict
from batcher.core.estimate.pricing import LONG, CachedTokens, Delivery, model_of, weights
from batcher.core.estimate.spread import NOTHING, Spread
from batcher.core.money.prices import PriceTable
from batcher.core.usage_fields import TTL

_PLACES = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Dollars:
    """An estimate in USD, rounded to millionths; ``worst`` is an exact bound, None without one."""

    expected: Decimal
    low: Decimal
    high: Decimal
    worst: Decimal | None

    @classmethod
    def of(cls, spread: Spread, worst: Decimal | None) -> "Dollars":
        """Round a spread, and cut it at what cannot be passed."""
        ends = [
            Decimal(end).quantize(_PLACES) for end in (spread.expected, spread.low, spread.high)
        ]
        expected, low, high = (end if worst is None else min(end, worst) for end in ends)
        return cls(expected, low, high, worst)


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to send a plan, with and without marks for the prompt cache."""

    delivery: Delivery
    is_cached: bool
    usd: Dollars


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a live run takes in seconds, and what holds it up.

    ``knows_limits``: the API's limits are known; else it takes at least so long. ``is_measured``:
    answers were timed; else their speed is assumed. ``worst_s`` is for answers at ``max_tokens``.
    """

    seconds: Spread
    worst_s: float
    limiter: str
    knows_limits: bool
    is_measured: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """What sending a plan comes to.

    ``answers`` and ``counted`` say how many requests it learnt from. ``most_...`` bound what one
    attempt of each uses. ``read_tokens`` of the prompt
    are expected to come from the prompt cache. ``long_requests`` seem to be priced as long prompts,
    ``too_long`` ones not to fit into their model's context. ``choices`` begin with what a run would
    do now.
    """

    requests: int
    answers: int
    counted: int
    prompt_tokens: Spread
    output_tokens: Spread
    most_prompt_tokens: int | None
    most_output_tokens: int
    read_tokens: float
    long_requests: int
    too_long: int
    choices: tuple[Choice, ...]
    duration: Timing | None = None

    @property
    def usd(self) -> Dollars:
        """What a run that is started now will cost."""
        return self.choices[0].usd

    @property
    def basis(self) -> Literal["answers", "counts", "text"]:
        """What the estimate rests on."""
        if self.answers >= LEAST_ANSWERS:
            return "answers"
        return "counts" if self.counted else "text"

    def choice(self, delivery: Delivery, *, is_cached: bool) -> Choice:
        """One of the ways; without anything to share there is one way less for each delivery."""
        ways = [one for one in self.choices if one.delivery == delivery]
        return next((one for one in ways if one.is_cached is is_cached), ways[0])


@dataclass(frozen=True, slots=True)
class Terms:
    """What the requests of a job are priced by.

    ``settings`` are what they share, ``cached`` is what a run reads from the prompt cache and
    writes into it, by group, and ``ttl`` how long that lives. ``worst_usd`` bounds what a live run
    costs, a batch half of it.
    """

    prices: PriceTable
    settings: Mapping[str, Any]
    cached: Mapping[str, CachedTokens]
    ttl: TTL
    worst_usd: Decimal | None


def estimate(evidence: Evidence, terms: Terms) -> Estimate:
    """Put an estimate together; ``evidence.outputs`` as of ``output_ranges``."""
    groups = {bucket.group for bucket in evidence.buckets}
    shares = any(tokens.read for tokens in terms.cached.values())
    ways: list[tuple[Delivery, bool]] = [("live", False), ("batch", False)]
    if shares:
        ways = [("live", True), ("live", False), ("batch", True), ("batch", False)]
    choices = [
        Choice(delivery, cached, _dollars(evidence, terms, delivery, is_cached=cached))
        for delivery, cached in ways
    ]
    return Estimate(
        requests=sum(bucket.requests for bucket in evidence.buckets),
        answers=len(evidence.answered),
        counted=len(evidence.counted),
        prompt_tokens=_predicted(evidence, dict.fromkeys(groups, Weights(1.0, 0.0))),
        output_tokens=_predicted(evidence, dict.fromkeys(groups, Weights(0.0, 1.0))),
        most_prompt_tokens=_most_prompt(evidence),
        most_output_tokens=sum(bucket.most_output for bucket in evidence.buckets),
        read_tokens=sum(tokens.read for tokens in terms.cached.values()),
        long_requests=sum(one.requests for one in evidence.buckets if one.group.endswith(LONG)),
        too_long=sum(one.requests for one in evidence.buckets if _is_too_long(one, terms.prices)),
        choices=tuple(choices),
    )


def output_ranges(
    evidence_groups: Mapping[str, int], settings: Mapping[str, Any], prices: PriceTable
) -> dict[str, OutputRange]:
    """How long answers may be, by group; each is given with the mean ``max_tokens`` of it."""
    return {
        group: output_range({**settings, "max_tokens": most}, prices.facts(model_of(group)))
        for group, most in evidence_groups.items()
    }


def _most_prompt(evidence: Evidence) -> int | None:
    bounds = [bucket.most_prompt for bucket in evidence.buckets]
    return None if None in bounds else sum(bound for bound in bounds if bound is not None)


def _is_too_long(bucket: Bucket, prices: PriceTable) -> bool:
    facts = prices.facts(model_of(bucket.group))
    return facts is not None and bucket.lower > facts.context_window


def _predicted(evidence: Evidence, by_group: Mapping[str, Weights]) -> Spread:
    return predict(evidence, by_group) if evidence.buckets else NOTHING


def _dollars(evidence: Evidence, terms: Terms, delivery: Delivery, *, is_cached: bool) -> Dollars:
    by_group = {}
    for group in {bucket.group for bucket in evidence.buckets}:
        predicted = sum(one.predicted for one in evidence.buckets if one.group == group)
        found = terms.cached.get(group) if is_cached else None
        tokens = CachedTokens(predicted, found.read if found else 0, found.written if found else 0)
        by_group[group] = weights(
            terms.prices.model(model_of(group)),
            terms.settings,
            tokens,
            delivery,
            is_long=group.endswith(LONG),
            ttl=terms.ttl,
        )
    worst = terms.worst_usd
    if worst is not None and delivery == "batch":
        worst /= 2  # every rate of a batch is half of the live one
    return Dollars.of(_predicted(evidence, by_group), worst)
