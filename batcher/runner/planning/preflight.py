"""What is said, refused and asked between the planning pass and the first request."""

from collections.abc import Sequence

from batcher.core.estimate.estimate import Dollars, Estimate
from batcher.core.money.display import rounded_text
from batcher.core.plan_counts import PlanCounts
from batcher.errors import ConfigurationError, ConfirmationError, JobFileError, Problem
from batcher.outputs.parquet_output import read_metadata
from batcher.runner.job_context import JobContext
from batcher.runner.planning.planner import Plan
from batcher.runner.ui import Ui


def planning_line(plan: Plan, context: JobContext, estimate: Estimate | None) -> str:
    """Say in one line what is known, new, shared, bad and to send."""
    counts = plan.counts
    parts = [f"{counts.rows:,} rows", f"{counts.already_answered:,} already answered"]
    named = [
        (counts.new, "new"),
        (counts.changed, "changed"),
        (counts.attempted_before, "attempted before"),
        (counts.removed, "removed"),
        (counts.shared, "shared"),
        (counts.bad, "bad"),
        (counts.skipped, "skipped"),
        (counts.on_hold, "on hold (billing status unknown too often)"),
    ]
    always = ("new", "changed", "removed")
    parts += [f"{number:,} {name}" for number, name in named if number or name in always]
    line = f"plan  {', '.join(parts)}; {counts.to_send:,} to send{_cost(counts, estimate)}"
    if context.source.blank_lines:
        line += f"\nplan  {context.source.blank_lines:,} blank lines passed over"
    return line


def _cost(counts: PlanCounts, estimate: Estimate | None) -> str:
    if not counts.to_send:
        return ""
    most = counts.worst_case_usd
    about = "" if estimate is None else f", {about_text(estimate.usd)}"
    return about if most is None else f"{about}, at most {rounded_text(most)}"


def about_text(usd: Dollars) -> str:
    """An estimate in words, with its interval."""
    ends = f"{rounded_text(usd.low)} to {rounded_text(usd.high)}"
    return f"about {rounded_text(usd.expected)} ({ends})"


def check_change(plan: Plan, context: JobContext, ui: Ui) -> None:
    """Ask before rows that have an answer are asked again because the job changed.

    Raises ConfigurationError when nobody agrees, or is there to: --yes agrees to a cost, and not
    to paying again for what an edited prompt may have changed by mistake.
    """
    change = changed(plan, context)
    if change is None:
        return
    keeps = context.job.request.on_change == "keep"
    if keeps or not ui.confirm(f"{change.message}. Ask them again{_cost(plan.counts, None)}?"):
        raise ConfigurationError(f"{change.message}; nothing was sent", hint=change.hint)


def changed(plan: Plan, context: JobContext) -> Problem | None:
    """Say that rows with an answer would be asked again, when the job does not decide that."""
    redone, on_change = plan.counts.redone, context.job.request.on_change
    if not redone or on_change == "redo":
        return None
    if on_change == "keep":
        return Problem(
            f"{redone:,} rows cannot keep their answers: the prompt is about other columns now, "
            "and without ids rows are known by the columns it is about",
            hint="name an id column in input.id before the prompt changes, or set "
            'request.on_change = "redo" to ask them again',
        )
    return Problem(
        f"{redone:,} rows have an answer to another prompt, model or parameters",
        hint='set request.on_change = "redo" to ask them again, or "keep" to keep their answers '
        "and ask only new and edited rows the new way",
    )


def check_plan(plan: Plan, context: JobContext) -> None:
    """Refuse a run that could only fail.

    Raises JobFileError for what every request would be refused for, ConfigurationError for an
    input without rows, with only bad ones, or with bad ones that are to stop the run.
    """
    if plan.refused:
        raise JobFileError(plan.refused)
    counts = plan.counts
    if counts.items == 0:
        raise ConfigurationError(
            "the input has no rows",
            hint="see input.path, input.where, input.sample and input.limit",
        )
    stops = context.job.input.on_bad_row == "stop"
    if counts.bad and (stops or counts.bad == counts.items):
        listed = "\n".join(f"  {problem}" for problem in plan.bad)
        more = counts.bad - len(plan.bad)
        rest = f"\n  and {more:,} more" if more > 0 else ""
        raise ConfigurationError(
            f"{counts.bad:,} of {counts.items:,} rows are bad; nothing was sent\n{listed}{rest}",
            hint='mend them, or set input.on_bad_row = "record" to go on without them'
            if stops and counts.bad < counts.items
            else "mend the prompt or the input",
        )


def money_question(plan: Plan, context: JobContext, estimate: Estimate | None) -> list[str]:
    """Ask before real money is spent, when it may well be more than the job lets pass unasked."""
    worst = plan.counts.worst_case_usd
    likely = worst if estimate is None else estimate.usd.high
    allowed = context.job.budget.confirm_above_usd
    if context.asks_simulator or (likely is not None and likely <= allowed):
        return []
    most = "nothing bounds it" if worst is None else f"at most {rounded_text(worst)}"
    cost = most if estimate is None else f"{about_text(estimate.usd)}; {most}"
    return [f"{plan.counts.to_send:,} requests cost {cost}. Send them?"]


def origin_question(origins: Sequence[str], origin: str) -> list[str]:
    """Ask before answers of another server are mixed in."""
    others = ", ".join(sorted(set(origins) - {origin}))
    return [f"The answers so far came from {others}; go on with {origin}?"] if others else []


def smaller_question(plan: Plan, context: JobContext) -> list[str]:
    """Ask before the output of a try-out replaces a larger one."""
    output = context.workspace.output
    found = read_metadata(output)
    rows = 0 if found is None else int(found.get("rows", 0))
    if rows <= plan.counts.items:
        return []
    return [f"{output} has {rows:,} rows; replace it by {plan.counts.items:,}?"]


def ask(questions: Sequence[str], ui: Ui, command: str) -> None:
    """Go on only when every question is answered with yes.

    Raises ConfirmationError when nobody is there to ask, ConfigurationError on a no.
    """
    hint = f"{command} --yes"
    for question in questions:
        answer = ui.confirm(question)
        if answer is None:
            raise ConfirmationError(f"{question} Nobody is there to answer.", hint=hint)
        if not answer:
            raise ConfigurationError("nothing was sent", hint=hint)
