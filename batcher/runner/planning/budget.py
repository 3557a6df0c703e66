"""What a run may spend: its budget, counted from what is recorded."""

from datetime import datetime, timedelta
from decimal import Decimal

from batcher.core.money.bound import Bound, UnboundedError
from batcher.core.money.budget import Budget, BudgetState
from batcher.errors import ConfigurationError
from batcher.runner.job_context import JobContext
from batcher.runner.planning.planner import Plan
from batcher.store.budget import counted
from batcher.store.writer import CheckpointCall

DAY = timedelta(hours=24)


def open_budget(
    context: JobContext,
    plan: Plan,
    db: CheckpointCall,
    started: datetime,
    cap_usd: Decimal | None,
) -> Budget | None:
    """Open a job's budget as it stands; None when it has none.

    ``cap_usd`` is that of a saved plan; the smaller of both holds. Raises ConfigurationError when
    something of the plan, or of what is recorded, has no bound.
    """
    said = context.job.budget
    caps = [cap for cap in (said.max_cost_usd, cap_usd) if cap is not None]
    if not caps:
        return None
    since = started - DAY if said.per == "day" else None
    found = db(counted, since)
    if found.unbounded:
        raise ConfigurationError(
            f"{found.unbounded:,} attempts may have been billed unseen, and nobody knows for how "
            "much at most: no budget can be held",
            hint="look at the API's console, then release them with --release-unknown",
        )
    if plan.counts.to_send and plan.counts.worst_case_usd is None:
        raise ConfigurationError(
            f"a budget needs a bound of every request: {_unbounded(context)}",
            hint="change the request, or do without budget.max_cost_usd",
        )
    return Budget(BudgetState(min(caps), found.spent, found.unknown))


def _unbounded(context: JobContext) -> str:
    """Say what leaves requests unbounded, as far as it is the same for all."""
    builder = context.maker.builder
    if builder.is_fixed:
        try:
            Bound(builder.settings, context.prices.model(str(builder.settings["model"])))
        except UnboundedError as error:
            return error.message
    return "some of them hold what nothing bounds"
