"""The first step of a run: reads the input, and says what is to be sent and what it may cost."""

from functools import partial

from batcher.core.estimate.estimate import Estimate
from batcher.core.money.budget import Budget
from batcher.core.money.display import rounded_text
from batcher.core.plural import counted
from batcher.runner.job_context import JobContext, open_job
from batcher.runner.options import Retrying
from batcher.runner.pipeline.session import PlannedRun, RunSession
from batcher.runner.planning.budget import open_budget
from batcher.runner.planning.estimate import estimate_plan
from batcher.runner.planning.pilot import draw, only
from batcher.runner.planning.planner import Plan, make_plan
from batcher.runner.planning.preflight import check_own_checkpoint, check_plan, planning_line
from batcher.runner.planning.retry import plan_retry, retry_line
from batcher.runner.routing import route_of
from batcher.store.bill import release_unknown
from batcher.store.checkpoint import Checkpoint


def plan_run(session: RunSession) -> PlannedRun:
    """Plan a run; raise ConfigurationError or PlanChangedError when it must not start."""
    check_own_checkpoint(session.context, session.writer.call(Checkpoint.jobs))
    retrying = session.options.retrying
    if retrying is None:
        sending, plan, estimate = _plan_new(session)
    else:
        sending, plan, estimate = _plan_retry(session, retrying)
    for warning in plan.warnings:
        session.ui.say(f"warning  {warning}")
    check_plan(plan, session.context)
    if session.options.approval is not None:
        session.options.approval.check(
            session.context, plan, session.started, None if estimate is None else estimate.usd
        )
    route = route_of(sending, session.started)
    return PlannedRun(sending, plan, estimate, _budget(session, plan), route)


def _plan_new(session: RunSession) -> tuple[JobContext, Plan, Estimate | None]:
    context, db = session.context, session.writer.call
    plan = make_plan(context, db, partial(session.read, "planning"))
    if session.options.pilot is not None:
        plan = only(plan, context, db, draw(plan, db, session.options.pilot))
    estimate = estimate_plan(context, plan, db, session.started) if plan.counts.to_send else None
    session.ui.say(planning_line(plan, context, estimate))
    return context, plan, estimate


def _plan_retry(session: RunSession, retrying: Retrying) -> tuple[JobContext, Plan, None]:
    context = session.context
    variant = open_job(
        retrying.variant,
        is_simulated=context.workspace.is_simulated,
        today=context.policy.today,
    )
    plan, retries = plan_retry(
        context, variant, session.writer.call, partial(session.read, "planning"), retrying.only
    )
    if context.loaded.scope:
        session.ui.say(f"plan  the rows of the last run: {', '.join(context.loaded.scope)}")
    session.ui.say(retry_line(retries, plan.counts.bad))
    return variant, plan, None


def _budget(session: RunSession, plan: Plan) -> Budget | None:
    """Open the budget, if the job has one; release what it reserved for unknown attempts first."""
    db, started = session.writer.call, session.started
    if session.options.releases_unknown:
        released = db(release_unknown, started)
        held = counted(released.attempts, "attempt") + " of unknown billing status"
        if released.answers:
            held += " and " + counted(released.answers, "answer") + " of unknown cost"
        session.ui.say(f"released {rounded_text(released.usd)} reserved for {held}")
    approval = session.options.approval
    cap_usd = None if approval is None else approval.cap_usd
    return open_budget(session.context, plan, db, started, cap_usd)
