"""Estimates what a plan will cost, from its text and from recorded answers; sends nothing."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from batcher.core.estimate.estimate import Estimate, Terms, estimate, output_ranges
from batcher.core.estimate.evidence import AnsweredRequest, Bucket, CountedRequest, Evidence
from batcher.core.estimate.pricing import CachedTokens
from batcher.runner.job_context import JobContext
from batcher.runner.planning.planner import Plan
from batcher.runner.planning.run_duration import expected_duration
from batcher.store.estimates import estimate_data
from batcher.store.writer import CheckpointCall


def estimate_plan(
    context: JobContext,
    plan: Plan,
    db: CheckpointCall,
    counted: Sequence[CountedRequest] = (),
) -> Estimate:
    """Estimate the cost, tokens and time of sending a plan; call it right after planning.

    ``counted`` are the requests whose prompts the API has counted.
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
    job = context.job
    cached = {
        row["group"]: CachedTokens(0.0, row["read"], row["written"]) for row in recorded.cached
    }
    terms = Terms(
        prices=context.prices,
        settings=settings,
        cached=cached,
        ttl=job.cache.ttl or "5m",
        worst_usd=plan.counts.worst_case_usd,
    )
    costs = estimate(evidence, terms)
    return replace(costs, duration=expected_duration(context, plan, costs, recorded))


def _mean_max_tokens(buckets: Sequence[Bucket]) -> dict[str, int]:
    """Return the mean ``max_tokens`` of each group of models."""
    requests: dict[str, int] = defaultdict(int)
    most: dict[str, int] = defaultdict(int)
    for bucket in buckets:
        requests[bucket.group] += bucket.requests
        most[bucket.group] += bucket.max_output_tokens
    return {group: round(most[group] / requests[group]) for group in most}
