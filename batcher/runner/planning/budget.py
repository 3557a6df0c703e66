"""Opens the budget of a run: what it may still spend, after what the checkpoint records."""

from datetime import datetime
from decimal import Decimal

from batcher.core.delivery import Route
from batcher.core.money.bound import Bound, UnboundedError
from batcher.core.money.budget import Budget, BudgetState
from batcher.core.money.display import rounded_text
from batcher.core.money.exact import product
from batcher.core.plural import counted
from batcher.errors import ConfigurationError, Problem
from batcher.runner.days import budget_day
from batcher.runner.job_context import JobContext
from batcher.runner.planning.planner import Plan
from batcher.store.bill import spent_money
from batcher.store.writer import CheckpointCall


def open_budget(
    context: JobContext,
    plan: Plan,
    db: CheckpointCall,
    started: datetime,
    cap_usd: Decimal | None,
) -> Budget | None:
    """Open a job's budget; None when it has none.

    ``cap_usd`` is the cap of a saved plan; the smaller of both caps holds. What waits in a batch is
    reserved, and in flight: every run settles what it collects. Raises ConfigurationError when a
    planned request, or a recorded attempt, has no cost bound.
    """
    section = context.job.budget
    caps = [cap for cap in (section.max_cost_usd, cap_usd) if cap is not None]
    if not caps:
        return None
    day = budget_day(section, started)
    used = db(spent_money, None if day is None else day.start)
    if used.unbounded:
        raise ConfigurationError(
            f"the cost of {counted(used.unbounded, 'attempt')} is unknown and has no bound, so no "
            "budget can be guaranteed",
            hint="check the API's console, then add --release-unknown",
        )
    if used.reserved_unbounded:
        waiting = counted(used.reserved_unbounded, "request waits", "requests wait")
        raise ConfigurationError(
            f"{waiting} in a batch without a cost bound, so no budget can be guaranteed",
            hint="run without a budget until the batch is collected",
        )
    if plan.counts.to_send and plan.counts.worst_case_usd is None:
        raise ConfigurationError(
            "a budget needs a cost bound for every request; this job has none: "
            f"{_unbounded(context)}",
            hint="change the request, or remove budget.max_cost_usd",
        )
    state = BudgetState(min(caps), used.spent, used.unknown, used.reserved)
    return Budget(state, used.pending)


def least_bound(plan: Plan, route: Route) -> Decimal | None:
    """Return the least that one attempt of a plan may cost at most, in USD; None without a bound.

    The plan of auto has the bounds of live requests; those of batches are at least half of them.
    """
    least = plan.counts.min_worst_case_usd
    if least is None or route.mode != "auto":
        return least
    return product(least, Decimal("0.5"))


def budget_warning(budget: Budget, plan: Plan, route: Route) -> Problem | None:
    """Warn that no planned request fits into what is left of a budget; None when one does."""
    least, available = least_bound(plan, route), max(budget.state.available, Decimal(0))
    if not plan.counts.to_send or least is None or least <= available or budget.in_flight:
        return None
    return Problem(
        f"the budget has {rounded_text(available)} left and no request fits: each may cost "
        f"{rounded_text(least)} or more, so a run would send nothing and exit with 6",
        hint="raise budget.max_cost_usd",
    )


def _unbounded(context: JobContext) -> str:
    """Return why requests have no cost bound, when the reason is the same for all."""
    builder = context.maker.builder
    if builder.is_fixed:
        try:
            Bound(builder.settings, context.prices.model(str(builder.settings["model"])))
        except UnboundedError as error:
            return error.message
    return "some requests contain a part that nothing bounds"
