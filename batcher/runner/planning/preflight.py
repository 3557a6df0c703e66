"""What happens between planning and the first request: reports, refusals and questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from batcher.api.key import Secret
from batcher.core.estimate.budget_reach import reach_text
from batcher.core.estimate.estimate import Dollars, Estimate
from batcher.core.job import SIMULATOR
from batcher.core.money.budget import Budget
from batcher.core.money.display import rounded_text
from batcher.core.plan_counts import PlanCounts
from batcher.core.plural import counted
from batcher.errors import ConfigurationError, ConfirmationError, JobFileError, Problem
from batcher.inputs.job_file.load import LoadedJob
from batcher.late import late
from batcher.outputs.parquet_output import read_metadata
from batcher.runner.findings import Findings
from batcher.runner.job_context import JobContext, asks_simulator, open_job
from batcher.runner.planning.output_layout import layout_of
from batcher.runner.planning.planner import Plan
from batcher.runner.ui import Ui
from batcher.runner.workspace import Workspace

if TYPE_CHECKING:
    from batcher.api.client import open_access
else:
    open_access = late("batcher.api.client", "open_access")


@dataclass(frozen=True, slots=True)
class Opening:
    """A job that is opened to be run, the key for its server, and what is wrong with both."""

    context: JobContext | None
    key: Secret | None
    findings: Findings

    def ready(self) -> tuple[JobContext, Secret | None]:
        """Return job and key; raises ConfigurationError with all that is wrong."""
        self.findings.stop()
        assert self.context is not None  # noqa: S101 - tells mypy
        return self.context, self.key


def open_run(
    loaded: LoadedJob,
    environ: Mapping[str, str],
    *,
    is_simulated: bool,
    today: date,
    overwrites: bool = False,
) -> Opening:
    """Open a job with its key and see where it may write; leaves no trace and sends nothing."""
    findings = Findings()
    key: Secret | None = Secret(SIMULATOR)
    if not asks_simulator(loaded, is_simulated=is_simulated):
        key = findings.attempt(partial(open_access, loaded.job.api, environ))
    workspace = Workspace.of(loaded, is_simulated=is_simulated)
    findings.attempt(partial(workspace.check, overwrites=overwrites))
    opening = partial(open_job, loaded, is_simulated=is_simulated, today=today)
    return Opening(findings.attempt(opening), key, findings)


def check_own_checkpoint(context: JobContext, jobs: Sequence[str]) -> None:
    """Refuse a checkpoint that only other jobs have used, unless the job file names its folder.

    Otherwise a folder that was copied to the wrong place would be paid for again.
    """
    state, loaded = context.workspace.state, context.loaded
    if jobs and loaded.name not in jobs and loaded.job.job.state is None:
        raise ConfigurationError(
            f"{state} has the checkpoint of another job, {', '.join(jobs)}; nothing was sent",
            hint=f'put the checkpoint of {loaded.name} there, or set job.state = "runs/'
            f'{loaded.name}" to use this one',
        )


def planning_line(plan: Plan, context: JobContext, estimate: Estimate | None) -> str:
    """Return the line that says what is already answered, new, shared, bad and to send."""
    counts = plan.counts
    parts = [counted(counts.rows, "row"), f"{counts.already_answered:,} already answered"]
    named = [
        (counts.new, "new"),
        (counts.changed, "changed"),
        (counts.attempted_before, "attempted before"),
        (counts.removed, "removed"),
        (counts.shared, "shared"),
        (counts.bad, "bad"),
        (counts.skipped, "skipped"),
        (counts.pending, "waiting in batches"),
        (counts.on_hold, "on hold (billing status unknown too often)"),
    ]
    always = ("new", "changed", "removed")
    parts += [f"{number:,} {name}" for number, name in named if number or name in always]
    line = f"plan  {', '.join(parts)}; {counts.to_send:,} to send{_cost(counts, estimate)}"
    if context.source.blank_lines:
        line += f"\nplan  skipped {counted(context.source.blank_lines, 'blank line')}"
    return line


def _cost(counts: PlanCounts, estimate: Estimate | None) -> str:
    if not counts.to_send:
        return ""
    most = counts.worst_case_usd
    about = "" if estimate is None else f", {about_text(estimate.usd)}"
    return about if most is None else f"{about}, at most {rounded_text(most)}"


def about_text(usd: Dollars) -> str:
    """Return an estimate in words, with its interval."""
    ends = f"{rounded_text(usd.low)} to {rounded_text(usd.high)}"
    return f"about {rounded_text(usd.expected)} ({ends})"


def check_change(plan: Plan, context: JobContext, ui: Ui) -> None:
    """Ask before rows that have an answer are asked again because the job changed.

    Raises ConfigurationError without a yes. --yes does not answer this question: it agrees to a
    cost, not to paying again for what an edited prompt may have changed by mistake.
    """
    change = changed(plan, context)
    if change is not None and not ui.confirm(
        f"{change.message}. Ask them again{_cost(plan.counts, None)}?"
    ):
        raise ConfigurationError(f"{change.message}; nothing was sent", hint=change.hint)


def changed(plan: Plan, context: JobContext) -> Problem | None:
    """Return the problem that answered rows would be sent again; None when the job decides it."""
    redone = plan.counts.redone
    if not redone or context.job.request.on_change != "ask":
        return None
    return Problem(
        counted(redone, "row has", "rows have")
        + " an answer to another prompt, model or parameters",
        hint='set request.on_change = "redo" to ask them again, or "keep" to keep their answers '
        "and ask only new and edited rows the new way",
    )


def check_plan(plan: Plan, context: JobContext) -> None:
    """Refuse a run that could only fail; raises ConfigurationError with all that is wrong."""
    findings = Findings()
    for check in (layout_of, _check_requests, _check_rows, _check_kept_answers):
        findings.attempt(partial(check, context, plan))
    findings.stop()


def _check_requests(_context: JobContext, plan: Plan) -> None:
    """Refuse what every request would be refused for."""
    if plan.refused:
        raise JobFileError(plan.refused)


def _check_rows(context: JobContext, plan: Plan) -> None:
    """Refuse an input with only bad rows, with bad ones that stop the run, or with none at all."""
    counts = plan.counts
    if counts.items == 0 and not context.job.input.allow_empty:
        raise ConfigurationError(
            "the input has no rows, and input.allow_empty is false",
            hint="see input.path, input.where, input.sample and input.limit",
        )
    if bad_rows_stop(plan, context):
        listed = "\n".join(f"  {line}" for line in plan.bad_lines)
        verb = "is" if counts.bad == 1 else "are"
        too_many = "" if not _exceed_ceiling(plan, context) else ", more than limits.max_failed"
        raise ConfigurationError(
            f"{counts.bad:,} of {counted(counts.items, 'row')} {verb} bad{too_many}; "
            f"nothing was sent\n{listed}",
            hint=_bad_rows_hint(plan, context),
        )


def bad_rows_stop(plan: Plan, context: JobContext) -> bool:
    """Return whether a run is refused because of its bad rows."""
    counts = plan.counts
    stops = context.job.input.on_bad_row == "stop" or _exceed_ceiling(plan, context)
    return bool(counts.bad) and (stops or counts.bad == counts.items)


def _exceed_ceiling(plan: Plan, context: JobContext) -> bool:
    """Return whether more rows are bad than may fail; a share of 0 is no ceiling."""
    share = context.job.limits.max_failed
    return bool(share) and plan.counts.bad > share * plan.counts.items


def _bad_rows_hint(plan: Plan, context: JobContext) -> str:
    if plan.counts.bad == plan.counts.items:
        return "fix the prompt or the input"
    if _exceed_ceiling(plan, context):
        return "fix them, or raise limits.max_failed to go on without them"
    return 'fix them, or set input.on_bad_row = "record" to go on without them'


def _check_kept_answers(context: JobContext, plan: Plan) -> None:
    """Refuse to ask rows again whose answers the job wants to keep."""
    redone = plan.counts.redone
    if redone and context.job.request.on_change == "keep":
        raise ConfigurationError(
            f"{counted(redone, 'row')} cannot keep the answer: the prompt is about other columns "
            "now, and without ids rows are known by the columns it is about",
            hint="name an id column in input.id before the prompt changes, or set "
            'request.on_change = "redo" to ask them again',
        )


def budget_reach(plan: Plan, estimate: Estimate | None, budget: Budget | None) -> str | None:
    """Say where the budget is likely to stop the run; None when it is enough, or there is none."""
    if budget is None or estimate is None or not plan.counts.to_send:
        return None
    return reach_text(budget.state, estimate.usd, plan.counts.to_send)


def money_question(
    plan: Plan, context: JobContext, estimate: Estimate | None, budget: Budget | None = None
) -> list[str]:
    """Return the question about cost, when it is likely above budget.confirm_above_usd.

    It says what the budget is, and where it is likely to stop the run.
    """
    worst = plan.counts.worst_case_usd
    likely = worst if estimate is None else estimate.usd.high
    allowed = context.job.budget.confirm_above_usd
    if context.asks_simulator or (likely is not None and likely <= allowed):
        return []
    most = "no cost bound" if worst is None else f"at most {rounded_text(worst)}"
    cost = most if estimate is None else f"{about_text(estimate.usd)}; {most}"
    requests = counted(plan.counts.to_send, "request costs", "requests cost")
    reach = budget_reach(plan, estimate, budget)
    if reach is None and budget is not None:
        reach = f"{rounded_text(budget.state.cap)} is enough"
    return [f"{requests} {cost}{f'; the budget of {reach}' if reach else ''}. Send them?"]


def origin_question(origins: Sequence[str], origin: str) -> list[str]:
    """Return the question about answers that came from another server."""
    others = ", ".join(sorted(set(origins) - {origin}))
    return [f"The answers so far came from {others}; continue with {origin}?"] if others else []


def smaller_question(plan: Plan, context: JobContext) -> list[str]:
    """Return the question about a larger output that a part of the input would replace."""
    output = context.workspace.output
    found = read_metadata(output)
    rows = 0 if found is None else int(found.get("rows", 0))
    if rows <= plan.counts.items:
        return []
    return [
        f"{output} has {counted(rows, 'row')}; replace it with {counted(plan.counts.items, 'row')}?"
    ]


def ask(questions: Sequence[str], ui: Ui, command: str) -> None:
    """Return when every question is answered with yes.

    Raises ConfirmationError when stdin is not a terminal, ConfigurationError on a no.
    """
    hint = f"{command} --yes"
    for question in questions:
        answer = ui.confirm(question)
        if answer is None:
            raise ConfirmationError(f"{question} stdin is not a terminal; pass --yes", hint=hint)
        if not answer:
            raise ConfigurationError("nothing was sent", hint=hint)
