"""The second step of a run: asks what a person has to agree to before anything is sent."""

from dataclasses import replace

from batcher.core.delivery import RETENTION, Route
from batcher.core.estimate.deliveries import led_by
from batcher.runner.job_context import JobContext
from batcher.runner.pipeline.session import PlannedRun, RunSession
from batcher.runner.planning.preflight import (
    ask,
    budget_reach,
    check_change,
    money_question,
    origin_question,
    smaller_question,
)
from batcher.runner.routing import may_batch, remember_answer, route_line, route_of
from batcher.store.checkpoint import Checkpoint


def ask_consent(session: RunSession, planned: PlannedRun) -> PlannedRun:
    """Publish the plan and ask; return it with the route that the user allows.

    Raises ConfirmationError or ConfigurationError without a yes.
    """
    _publish(session, planned)
    with session.record.waiting():
        check_change(planned.plan, session.context, session.ui)
        planned = _allowed(session, planned)
        _publish(session, planned)
        estimate, budget = planned.estimate, planned.budget
        questions = [] if session.options.says_yes else _questions(session, planned)
        reach = budget_reach(planned.plan, estimate, budget)
        if reach is not None and not any(reach in question for question in questions):
            session.ui.say(f"budget {reach}")
        ask(questions, session.ui, session.options.command)
    return planned


def _publish(session: RunSession, planned: PlannedRun) -> None:
    estimate, budget = planned.estimate, planned.budget
    session.record.planned(
        planned.plan.counts,
        None if estimate is None else estimate.usd,
        None if budget is None else budget.state,
    )


def _allowed(session: RunSession, planned: PlannedRun) -> PlannedRun:
    """Return the plan with the route that the user allows, and say how the requests travel."""
    context, ui, requests = planned.sending, session.ui, planned.plan.counts.to_send
    route, estimate = planned.route, planned.estimate
    if not requests:
        return planned
    if context.job.delivery.mode == "auto":
        only_live = planned.plan.only_live is not None
        route = Route("live") if only_live else _allowed_auto(session, context)
    if (line := route_line(context, route, requests)) is not None:
        ui.say(line)
    if estimate is not None:
        estimate = replace(estimate, choices=led_by(estimate.choices, route.mode))
    return replace(planned, route=route, estimate=estimate)


def _allowed_auto(session: RunSession, context: JobContext) -> Route:
    """Ask once whether auto may send batches, and say so when it sends none."""
    ui = session.ui
    allowed = may_batch(context)
    if allowed is None and ui.can_ask and not session.options.says_yes:
        allowed = ui.confirm(
            f"Delivery auto can send batches at half the price; {RETENTION}. May this job use them?"
        )
        if allowed is not None:
            remember_answer(context, session.started, is_allowed=allowed)
    if not allowed:
        ui.say("delivery  live: batches are not allowed; delivery.allow_batch = true allows them")
    return route_of(context, session.started)


def _questions(session: RunSession, planned: PlannedRun) -> list[str]:
    context, plan, options = session.context, planned.plan, session.options
    questions = smaller_question(plan, context) if options.is_limited else []
    if not plan.counts.to_send:
        return questions
    questions += origin_question(session.writer.call(Checkpoint.origins), context.origin)
    # A saved plan was agreed to and has not changed. Without a terminal a budget is the answer.
    is_agreed = options.approval is not None
    is_capped = planned.budget is not None and not session.ui.can_ask
    if not is_agreed and not is_capped:
        questions += money_question(plan, context, planned.estimate, planned.budget)
    return questions
