"""The second step of a run: asks what a person has to agree to before anything is sent."""

from batcher.runner.pipeline.session import PlannedRun, RunSession
from batcher.runner.planning.preflight import (
    ask,
    budget_reach,
    check_change,
    money_question,
    origin_question,
    smaller_question,
)
from batcher.store.checkpoint import Checkpoint


def ask_consent(session: RunSession, planned: PlannedRun) -> None:
    """Publish the plan and ask; raise ConfirmationError or ConfigurationError without a yes."""
    estimate, budget = planned.estimate, planned.budget
    session.record.planned(
        planned.plan.counts,
        None if estimate is None else estimate.usd,
        None if budget is None else budget.state,
    )
    with session.record.waiting():
        check_change(planned.plan, session.context, session.ui)
        questions = [] if session.options.says_yes else _questions(session, planned)
        reach = budget_reach(planned.plan, estimate, budget)
        if reach is not None and not any(reach in question for question in questions):
            session.ui.say(f"budget {reach}")
        ask(questions, session.ui, session.options.command)


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
