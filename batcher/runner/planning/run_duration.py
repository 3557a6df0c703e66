"""Estimates how long a run will take, from the known limits and the speed of earlier answers."""

from collections.abc import Mapping

from batcher.core.estimate.duration import Duration, Work, duration
from batcher.core.estimate.estimate import Estimate, Timing
from batcher.core.estimate.spread import Spread
from batcher.core.pace.kinds import Amounts, Kind, KnownLimit
from batcher.core.pace.model_groups import limit_group
from batcher.core.pace.token_bucket import job_limits
from batcher.runner.job_context import JobContext
from batcher.runner.planning.planner import Plan
from batcher.runner.run_history import RunHistory
from batcher.store.estimates import EstimateData

# Assumed until an answer was timed; models differ by more than a factor of two.
_FIRST_TOKEN_S = 1.0
ASSUMED_TOKENS_A_SECOND = 60.0
_SLOWEST = 2.5  # the slowest answer as a multiple of the mean


def expected_duration(
    context: JobContext, plan: Plan, estimate: Estimate, data: EstimateData
) -> Timing | None:
    """Estimate how long a live run takes; None when there is nothing to send."""
    if not estimate.requests:
        return None
    observed = _observed_limits(context, plan)
    limits = _tightest(observed, _job_limits(context))
    concurrency = context.job.limits.concurrency

    def at(prompt: float, output: float) -> Duration:
        """Simulate a run whose requests use this many tokens in all."""
        requests = estimate.requests
        uncached = max(0.0, prompt - estimate.read_tokens)
        latency_s = data.latency_s or _FIRST_TOKEN_S + output / requests / ASSUMED_TOKENS_A_SECOND
        slowest_s = data.slowest_s or _SLOWEST * latency_s
        each = Amounts(uncached / requests, output / requests)
        return duration(Work(requests, each, latency_s, slowest_s, concurrency), limits)

    prompt, output = estimate.prompt_tokens, estimate.output_tokens
    expected = at(prompt.expected, output.expected)
    ends = Spread(
        expected.seconds,
        at(prompt.low, output.low).seconds,
        at(prompt.high, output.high).seconds,
    )
    worst = at(prompt.high, float(estimate.max_output_tokens))
    is_measured = data.latency_s is not None
    return Timing(ends, worst.seconds, expected.limiter.value, bool(observed), is_measured)


def _job_limits(context: JobContext) -> dict[Kind, KnownLimit]:
    """Return the limits that the job sets."""
    buckets = job_limits(context.job.limits, 0.0)
    return {kind: KnownLimit(one.per_minute, one.capacity) for kind, one in buckets.items()}


def _observed_limits(context: JobContext, plan: Plan) -> dict[Kind, KnownLimit]:
    """Return the limits that the last run observed, of the model that most requests use."""
    if not plan.models:
        return {}
    group = limit_group(plan.models.most_common(1)[0][0])
    for summary in RunHistory(context.workspace.state).summaries():
        if limits := summary.observed_limits.get(group):
            return limits
    return {}


def _tightest(*sources: Mapping[Kind, KnownLimit]) -> dict[Kind, KnownLimit]:
    """Return the lower limit of each kind."""
    limits: dict[Kind, KnownLimit] = {}
    for source in sources:
        for kind, limit in source.items():
            if kind not in limits or limit.per_minute < limits[kind].per_minute:
                limits[kind] = limit
    return limits
