"""Everything about a job that can be known without sending anything or leaving a trace."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from batcher.api.key import read_key
from batcher.core.estimate.estimate import Estimate
from batcher.core.job import SIMULATOR
from batcher.core.template.template import Template
from batcher.errors import ConfigurationError, JobFileError, Problem
from batcher.inputs.job_file.load import LoadedJob
from batcher.inputs.price_table import load_price_table
from batcher.inputs.source import Source
from batcher.runner.commands.beginnings import found_or_empty
from batcher.runner.job_context import JobContext, open_job
from batcher.runner.planning.estimate import estimate_plan
from batcher.runner.planning.planner import Plan, make_plan
from batcher.runner.planning.preflight import changed, check_plan
from batcher.runner.record.notify import notice_problems
from batcher.runner.workspace import Workspace
from batcher.runner.writing.output import layout_of


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found out; a run would start when there are no ``problems``.

    ``plan`` and ``context`` are None when the job could not be planned. ``held_by`` says which run
    holds the checkpoint: what it has answered is then not counted.
    """

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    workspace: Workspace
    context: JobContext | None = None
    plan: Plan | None = None
    estimate: Estimate | None = None
    held_by: str | None = None


@dataclass(slots=True)
class _Findings:
    """What is collected on the way through the job."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    held_by: str | None = None

    def attempt(self, step: Callable[[], object]) -> bool:
        """Try a step; a mistake it finds is collected. Says whether it went well."""
        try:
            step()
        except JobFileError as error:
            self.problems += error.problems
        except ConfigurationError as error:
            self.problems.append(Problem(error.message, hint=error.hint))
        else:
            return True
        return False


def check_job(loaded: LoadedJob, environ: Mapping[str, str], *, is_simulated: bool) -> Checked:
    """Look at all of a job: its file, every row, the requests, prices, output and key."""
    findings = _Findings()
    workspace = Workspace.of(loaded, is_simulated=is_simulated)
    if not (is_simulated or loaded.job.api.base_url == SIMULATOR):
        findings.attempt(partial(read_key, loaded.job.api, environ))
    findings.warnings += notice_problems(loaded.job, environ)
    findings.attempt(partial(_check_places, workspace))
    context = plan = estimate = None
    went_well = [findings.attempt(step) for step in _steps(loaded)]
    if all(went_well):
        today = datetime.now(UTC).date()
        preparing = partial(open_job, loaded, is_simulated=is_simulated, today=today)
        context = _result_of(findings, preparing)
    if context is not None:
        plan, estimate = _planned(context, findings)
    if context is not None and plan is not None and (change := changed(plan, context)):
        findings.warnings.append(change)
    return Checked(
        tuple(dict.fromkeys(findings.problems)),
        tuple(dict.fromkeys(findings.warnings)),
        workspace,
        context,
        plan,
        estimate,
        findings.held_by,
    )


def _steps(loaded: LoadedJob) -> Iterator[Callable[[], object]]:
    """Take apart what ``prepare`` does, so that one mistake does not hide another."""
    if isinstance(loaded.system, str):
        yield partial(Template, loaded.system, loaded.system_name)
    if loaded.prompt is not None:
        yield partial(Template, loaded.prompt, loaded.prompt_name)
    yield partial(Source.open, loaded.job.input, loaded.folder)
    yield partial(_check_prices, loaded)


def _check_prices(loaded: LoadedJob) -> None:
    table = load_price_table().with_overrides(loaded.job.prices.overrides)
    if loaded.job.request.model is not None:
        table.model(loaded.job.request.model)


def _result_of(findings: _Findings, preparing: Callable[[], JobContext]) -> JobContext | None:
    made: list[JobContext] = []
    findings.attempt(lambda: made.append(preparing()))
    return made[0] if made else None


def _planned(context: JobContext, findings: _Findings) -> tuple[Plan | None, Estimate | None]:
    """Read and render every row, and hold the requests against what is recorded."""
    plans: list[tuple[Plan, Estimate | None]] = []

    def plan_it() -> None:
        with found_or_empty(context.workspace) as found:
            findings.held_by = found.held_by
            plan = make_plan(context, found.checkpoint.call)
            estimate = estimate_plan(context, plan, found.checkpoint.call)
            plans.append((plan, estimate if plan.counts.to_send else None))

    findings.attempt(plan_it)
    if not plans:
        return None, None
    ((plan, estimate),) = plans
    findings.warnings += plan.warnings
    findings.attempt(partial(layout_of, context, plan))
    findings.attempt(partial(check_plan, plan, context))
    return plan, estimate


def _check_places(workspace: Workspace) -> None:
    """See that state and output could be written, without writing anything that stays."""
    for path, key in ((workspace.state, "job.state"), (workspace.output.parent, "output.path")):
        folder = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            raise ConfigurationError(
                f"{path} cannot be written: {folder} is not a writable folder",
                hint=f"make it writable, or set {key}",
            )
    if workspace.output.parent.is_dir():
        workspace.check_output()
