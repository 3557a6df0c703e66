"""batcher retry: send failed rows again, unchanged or with other parameters."""

from dataclasses import replace
from pathlib import Path

import click

from batcher.cli.command_line import resume_command
from batcher.cli.options import job_argument, json_option, load, set_option
from batcher.cli.run_command import run_and_report
from batcher.cli.run_options import (
    deadline_option,
    delivery_option,
    max_cost_option,
    max_time_option,
    no_wait_option,
    overwrite_option,
    quiet_option,
    simulate_option,
    time_limit_s,
    wait_option,
    with_budget,
    with_delivery,
    yes_option,
)
from batcher.core.delivery import Mode
from batcher.inputs.job_file.load import LoadedJob
from batcher.runner.options import Retrying, RunOptions
from batcher.runner.planning.retry import check_changes
from batcher.runner.run_history import RunHistory
from batcher.runner.workspace import Workspace


@click.command(
    "retry",
    epilog="Example: batcher retry job.toml --only max_tokens --set request.max_tokens=1024",
)
@job_argument
@click.option(
    "--only",
    metavar="TYPE,...",
    help="Send only rows with these error types or statuses, as batcher failures names them.",
)
@yes_option
@max_cost_option
@delivery_option
@deadline_option
@no_wait_option
@max_time_option
@overwrite_option
@wait_option
@simulate_option
@set_option
@quiet_option
@json_option
def command(
    job: Path,
    overrides: tuple[str, ...],
    only: str | None,
    max_cost: str | None,
    *,
    delivery: Mode | None,
    deadline: str | None,
    max_time: str | None,
    says_yes: bool,
    overwrites: bool,
    waits: bool,
    detaches: bool,
    is_simulated: bool,
    is_quiet: bool,
    as_json: bool,
) -> int:
    """Send the failed rows again, unchanged or changed by --set, and write the output again.

    Rows that succeeded keep their answers and are not sent, whatever --set changes. A row that
    succeeds now keeps its new answer in later runs. Rows on hold, whose billing status is unknown,
    are sent too. The rows are those of the last run: after run --limit 20, the first 20 rows. The
    cost of earlier attempts stays in the cost of a row.
    """
    check_changes(load(job, overrides))
    state = Workspace.of(load(job), is_simulated=is_simulated).state
    scope = RunHistory(state).last_scope()
    # Answered rows keep their answers even when the job file was edited since.
    loaded = _with_on_change(load(job, (*scope, *with_budget((), max_cost))), "keep")
    loaded = with_delivery(loaded, delivery, deadline)
    variant = _with_on_change(load(job, (*scope, *overrides)), "redo")
    variant = with_delivery(variant, delivery, deadline)
    types = () if only is None else tuple(name.strip() for name in only.split(",") if name.strip())
    options = RunOptions(
        is_simulated=is_simulated,
        says_yes=says_yes,
        overwrites=overwrites,
        is_limited=bool(scope),
        waits=waits,
        detaches=detaches,
        max_time_s=time_limit_s(max_time),
        retrying=Retrying(variant, types),
        command=resume_command(),
    )
    return run_and_report(loaded, options, is_quiet=is_quiet, as_json=as_json)


def _with_on_change(loaded: LoadedJob, on_change: str) -> LoadedJob:
    """Return the job with another request.on_change."""
    request = loaded.job.request.model_copy(update={"on_change": on_change})
    return replace(loaded, job=loaded.job.model_copy(update={"request": request}))
