"""Estimates what a plan will cost, from its text and from recorded answers; sends nothing."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from batcher.core.batches.durations import Durations
from batcher.core.batches.priming import Marks, PrimedPrefix, marks
from batcher.core.delivery import Delivery
from batcher.core.estimate.deliveries import Situation, compared
from batcher.core.estimate.estimate import Estimate, Terms, estimate, output_ranges
from batcher.core.estimate.evidence import AnsweredRequest, Bucket, CountedRequest, Evidence
from batcher.core.estimate.pricing import CachedTokens
from batcher.core.money.exact import product
from batcher.runner.job_context import JobContext
from batcher.runner.planning.planner import Plan
from batcher.runner.planning.run_duration import expected_duration
from batcher.runner.routing import route_of, wanted_route
from batcher.store.batches import ended_durations
from batcher.store.estimates import estimate_data
from batcher.store.writer import CheckpointCall


def estimate_plan(
    context: JobContext,
    plan: Plan,
    db: CheckpointCall,
    now: datetime,
    counted: Sequence[CountedRequest] = (),
) -> Estimate:
    """Estimate the cost, tokens and time of sending a plan; call it right after planning.

    ``now`` is the start of the run; ``counted`` are the requests whose prompts the API has counted.
    """
    items = [item for item, mark in enumerate(plan.to_send) if mark]
    is_shared = bool(plan.sharing.levels)
    recorded = db(estimate_data, items, is_shared=is_shared)
    buckets = tuple(Bucket(**row) for row in recorded.buckets)
    settings = context.maker.builder.settings if context.maker.builder.is_fixed else {}
    evidence = Evidence(
        buckets=buckets,
        answered=tuple(AnsweredRequest(**row) for row in recorded.answered),
        counted=tuple(counted),
        outputs=output_ranges(_mean_max_tokens(buckets), settings, context.prices),
        sigma=plan.sigma,
    )
    job, ended = context.job, db(ended_durations)
    durations = Durations.learnt(ended)
    cached = {
        row["group"]: CachedTokens(0.0, row["read"], row["written"]) for row in recorded.cached
    }
    terms = Terms(
        prices=context.prices,
        settings=settings,
        cached=cached,
        ttl=job.cache.ttl or "5m",
        worst_usd=_worst_cases(context, plan),
        deliveries=("live",) if plan.only_live else ("live", "batch"),
        primes=_primes(context, plan, durations),
    )
    costs = estimate(evidence, terms)
    timing = expected_duration(context, plan, costs, recorded)
    wanted = wanted_route(context, now)
    situation = Situation(
        requests=costs.requests,
        batch_rows=job.delivery.batch_rows,
        durations=durations,
        live_s=None if timing is None else timing.seconds,
        left_s=None if wanted.deadline is None else (wanted.deadline - now).total_seconds(),
    )
    choices = compared(costs.choices, route_of(context, now).mode, situation)
    return replace(costs, duration=timing, choices=choices, batches=len(ended))


def _primes(context: JobContext, plan: Plan, durations: Durations) -> bool:
    """Whether a run would prime batches: judged by the mean number of requests with a prefix."""
    if not plan.models:
        return False
    rates = context.prices.model(plan.models.most_common(1)[0][0]).batch
    prefix = PrimedPrefix(plan.sharing.group_size)
    return marks(prefix, rates, durations, context.job.delivery.batch_rows, 0.0) is Marks.PRIME


def _worst_cases(context: JobContext, plan: Plan) -> dict[Delivery, Decimal | None]:
    """Return an upper bound on the cost of a run by delivery; the plan has that of one of them.

    A batch has half the price of all tokens. Web searches cost the same.
    """
    planned = plan.counts.worst_case_usd
    if planned is None:
        return {}
    if context.policy.planned == "batch":
        return {"live": product(planned, 2), "batch": planned}
    share = Decimal(1) if plan.has_web_tools else Decimal("0.5")
    return {"live": planned, "batch": product(planned, share)}


def _mean_max_tokens(buckets: Sequence[Bucket]) -> dict[str, int]:
    """Return the mean ``max_tokens`` of each group of models."""
    requests: dict[str, int] = defaultdict(int)
    most: dict[str, int] = defaultdict(int)
    for bucket in buckets:
        requests[bucket.group] += bucket.requests
        most[bucket.group] += bucket.max_output_tokens
    return {group: round(most[group] / requests[group]) for group in most}
