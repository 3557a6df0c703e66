"""Checks everything about a job without sending a request or changing a file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from batcher.core.estimate.estimate import Estimate
from batcher.errors import Problem
from batcher.inputs.job_file.load import LoadedJob
from batcher.runner.commands.results import open_checkpoint_or_empty
from batcher.runner.findings import Findings
from batcher.runner.job_context import JobContext
from batcher.runner.planning.budget import budget_warning, open_budget
from batcher.runner.planning.estimate import estimate_plan
from batcher.runner.planning.planner import Plan, make_plan
from batcher.runner.planning.preflight import changed, check_plan, open_run
from batcher.runner.record.notify import notice_problems
from batcher.runner.routing import route_of
from batcher.runner.workspace import Workspace


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a check; a run would start if there are no ``problems``.

    ``plan`` and ``context`` are None when the job could not be planned. ``held_by`` names the run
    that holds the checkpoint: its answers are then not counted.
    """

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    workspace: Workspace
    context: JobContext | None = None
    plan: Plan | None = None
    estimate: Estimate | None = None
    held_by: str | None = None


def check_job(
    loaded: LoadedJob,
    environ: Mapping[str, str],
    *,
    is_simulated: bool,
    rows_read: Callable[[int], None] = lambda _: None,
) -> CheckResult:
    """Check a job: its file, every row, the requests, prices, output and key.

    ``rows_read`` is called with the number of rows read so far.
    """
    now = datetime.now(UTC)
    workspace = Workspace.of(loaded, is_simulated=is_simulated)
    opening = open_run(loaded, environ, is_simulated=is_simulated, today=now.date())
    context, findings = opening.context, opening.findings
    warnings = list(notice_problems(loaded.job, environ))
    planned = None
    if context is not None:
        planned = findings.attempt(partial(_plan, context, findings, now, rows_read))
    if context is None or planned is None:
        return CheckResult(findings.problems, tuple(warnings), workspace, context)
    warnings += planned.plan.warnings
    optional = (changed(planned.plan, context), planned.budget_warning)
    warnings += [warning for warning in optional if warning is not None]
    return CheckResult(
        findings.problems,
        tuple(dict.fromkeys(warnings)),
        workspace,
        context,
        planned.plan,
        planned.estimate,
        planned.held_by,
    )


@dataclass(frozen=True, slots=True)
class _Planned:
    """A plan, its estimate, and the run that holds the job's checkpoint, if one does."""

    plan: Plan
    estimate: Estimate | None
    budget_warning: Problem | None
    held_by: str | None


def _plan(
    context: JobContext, findings: Findings, now: datetime, rows_read: Callable[[int], None]
) -> _Planned:
    """Read and render every row, and compare the requests with the checkpoint."""
    with open_checkpoint_or_empty(context.workspace) as found:
        db = found.checkpoint.call
        plan = make_plan(context, db, rows_read)
        findings.attempt(partial(check_plan, plan, context))
        budget = findings.attempt(partial(open_budget, context, plan, db, now, None))
        estimate = estimate_plan(context, plan, db, now) if plan.counts.to_send else None
    warning = None if budget is None else budget_warning(budget, plan, route_of(context, now))
    return _Planned(plan, estimate, warning, found.held_by)
