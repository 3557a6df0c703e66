"""The estimate of a plan: its tokens, and its cost for each way of sending it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from batcher.core.delivery import Delivery, Mode
from batcher.core.estimate.evidence import Bucket, Evidence, OutputRange, Weights
from batcher.core.estimate.outputs import output_range
from batcher.core.estimate.predict import MIN_ANSWERS, predict
from batcher.core.estimate.pricing import LONG, CachedTokens, model_of, weights
from batcher.core.estimate.spread import ZERO, Spread
from batcher.core.money.display import Usd
from batcher.core.money.prices import PriceTable
from batcher.core.usage_fields import TTL

_PLACES = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Dollars:
    """An estimate in USD, rounded to millionths; ``worst`` is an exact upper bound or None."""

    expected: Usd
    low: Usd
    high: Usd
    worst: Usd | None

    @classmethod
    def of(cls, spread: Spread, worst: Decimal | None) -> "Dollars":
        """Round a spread, and limit it to the upper bound."""
        ends = [
            Decimal(end).quantize(_PLACES) for end in (spread.expected, spread.low, spread.high)
        ]
        expected, low, high = (end if worst is None else min(end, worst) for end in ends)
        return cls(expected, low, high, worst)


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to send a plan: its delivery, with or without marks for the prompt cache.

    Batches with marks are primed: a batch of one request writes a prefix before others read it.
    ``seconds`` is how long the run takes; None when it is not known.
    """

    delivery: Mode
    is_cached: bool
    usd: Dollars
    seconds: Spread | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """The duration of a live run in seconds, and what limits its pace.

    ``knows_limits``: the API's limits are known; otherwise the run takes at least this long.
    ``is_measured``: the latency was measured; otherwise it is assumed. ``worst_s`` is the duration
    when every answer has ``max_tokens``.
    """

    seconds: Spread
    worst_s: float
    limiter: str
    knows_limits: bool
    is_measured: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimated tokens, cost and duration of a plan.

    ``answers`` and ``counted`` are the numbers of requests with an answer or an API count.
    ``max_prompt_tokens`` and ``max_output_tokens`` are upper bounds for one attempt of each
    request. ``read_tokens`` of the prompt are expected from the prompt cache. ``long_requests``
    probably have long-prompt rates; ``too_long`` requests probably do not fit into their model's
    context window. The first of ``choices`` is what a run would do now. The times of batches come
    from ``batches`` of this job, and from what is assumed before it has any.
    """

    requests: int
    answers: int
    counted: int
    prompt_tokens: Spread
    output_tokens: Spread
    max_prompt_tokens: int | None
    max_output_tokens: int
    read_tokens: float
    long_requests: int
    too_long: int
    choices: tuple[Choice, ...]
    duration: Timing | None = None
    batches: int = 0

    @property
    def usd(self) -> Dollars:
        """The cost of a run that starts now."""
        return self.choices[0].usd

    def choice(self, delivery: Mode, *, is_cached: bool) -> Choice:
        """Return a choice; a plan without shared prefixes has only uncached ones."""
        choices = [choice for choice in self.choices if choice.delivery == delivery]
        return next((choice for choice in choices if choice.is_cached is is_cached), choices[0])

    @property
    def basis(self) -> Literal["answers", "counts", "text"]:
        """The data that the estimate is based on."""
        if self.answers >= MIN_ANSWERS:
            return "answers"
        return "counts" if self.counted else "text"


@dataclass(frozen=True, slots=True)
class Terms:
    """The data that prices the requests of a job.

    ``settings`` are the fields that all requests share. ``cached`` are the tokens that a run reads
    from the prompt cache and writes to it, by group; ``ttl`` is their lifetime. ``deliveries`` are
    those that the API accepts for the requests; ``primes``: a batch of one request may write a
    prefix for those that follow. ``worst_usd`` has an upper bound on the cost of a
    run by delivery.
    """

    prices: PriceTable
    settings: Mapping[str, Any]
    cached: Mapping[str, CachedTokens]
    ttl: TTL
    worst_usd: Mapping[Delivery, Decimal | None]
    deliveries: tuple[Delivery, ...] = ("live", "batch")
    primes: bool = True


def estimate(evidence: Evidence, terms: Terms) -> Estimate:
    """Estimate a plan; ``evidence.outputs`` comes from ``output_ranges``."""
    groups = {bucket.group for bucket in evidence.buckets}
    is_shared = any(tokens.read for tokens in terms.cached.values())
    caches = {"live": is_shared, "batch": is_shared and terms.primes}
    choices = [
        Choice(delivery, is_cached, _dollars(evidence, terms, delivery, is_cached=is_cached))
        for delivery in terms.deliveries
        for is_cached in ((True, False) if caches[delivery] else (False,))
    ]
    return Estimate(
        requests=sum(bucket.requests for bucket in evidence.buckets),
        answers=len(evidence.answered),
        counted=len(evidence.counted),
        prompt_tokens=_predicted(evidence, dict.fromkeys(groups, Weights(1.0, 0.0))),
        output_tokens=_predicted(evidence, dict.fromkeys(groups, Weights(0.0, 1.0))),
        max_prompt_tokens=_max_prompt_tokens(evidence),
        max_output_tokens=sum(bucket.max_output_tokens for bucket in evidence.buckets),
        read_tokens=sum(tokens.read for tokens in terms.cached.values()),
        long_requests=sum(
            bucket.requests for bucket in evidence.buckets if bucket.group.endswith(LONG)
        ),
        too_long=sum(
            bucket.requests for bucket in evidence.buckets if _is_too_long(bucket, terms.prices)
        ),
        choices=tuple(choices),
    )


def output_ranges(
    max_tokens: Mapping[str, int], settings: Mapping[str, Any], prices: PriceTable
) -> dict[str, OutputRange]:
    """Return the range of the output by group, from the mean ``max_tokens`` of each group."""
    return {
        group: output_range({**settings, "max_tokens": mean}, prices.facts(model_of(group)))
        for group, mean in max_tokens.items()
    }


def _max_prompt_tokens(evidence: Evidence) -> int | None:
    bounds = [bucket.max_prompt_tokens for bucket in evidence.buckets]
    return None if None in bounds else sum(bound for bound in bounds if bound is not None)


def _is_too_long(bucket: Bucket, prices: PriceTable) -> bool:
    facts = prices.facts(model_of(bucket.group))
    return facts is not None and bucket.lower > facts.context_window


def _predicted(evidence: Evidence, by_group: Mapping[str, Weights]) -> Spread:
    return predict(evidence, by_group) if evidence.buckets else ZERO


def _dollars(evidence: Evidence, terms: Terms, delivery: Delivery, *, is_cached: bool) -> Dollars:
    by_group = {}
    for group in {bucket.group for bucket in evidence.buckets}:
        predicted = sum(bucket.predicted for bucket in evidence.buckets if bucket.group == group)
        cached = terms.cached.get(group) if is_cached else None
        tokens = CachedTokens(predicted)
        if cached is not None:
            tokens = CachedTokens(predicted, cached.read, cached.written)
        by_group[group] = weights(
            terms.prices.model(model_of(group)),
            terms.settings,
            tokens,
            delivery,
            is_long=group.endswith(LONG),
            ttl=terms.ttl,
        )
    return Dollars.of(_predicted(evidence, by_group), terms.worst_usd.get(delivery))
