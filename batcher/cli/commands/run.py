"""batcher run: start or resume a job; send only what has no answer yet."""

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
    release_option,
    simulate_option,
    time_limit_s,
    wait_option,
    with_budget,
    with_delivery,
    yes_option,
)
from batcher.core.delivery import Mode
from batcher.runner.options import RunOptions
from batcher.runner.planning.saved_plan import read_approval


@click.command("run", epilog="Example: batcher run job.toml --simulate --limit 20")
@job_argument
@yes_option
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Use only the first N rows.")
@max_cost_option
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Send only what this plan of batcher estimate --out allows, within its cap; exit code 9 "
    "when the job no longer fits the plan.",
)
@delivery_option
@deadline_option
@no_wait_option
@max_time_option
@release_option
@overwrite_option
@wait_option
@simulate_option
@set_option
@quiet_option
@json_option
def command(
    job: Path,
    overrides: tuple[str, ...],
    limit: int | None,
    max_cost: str | None,
    plan_file: Path | None,
    *,
    delivery: Mode | None,
    deadline: str | None,
    max_time: str | None,
    releases_unknown: bool,
    says_yes: bool,
    overwrites: bool,
    waits: bool,
    detaches: bool,
    is_simulated: bool,
    is_quiet: bool,
    as_json: bool,
) -> int:
    """Start or resume a job: send each request that has no answer yet, then write the output.

    JOB is a job file or its folder. The same command resumes: a request with an answer in the
    checkpoint is never sent again. When nothing is left to send, a run costs nothing.
    """
    loaded = load(job, with_budget(overrides, max_cost), limit)
    loaded = with_delivery(loaded, delivery, deadline)
    options = RunOptions(
        is_simulated=is_simulated,
        says_yes=says_yes,
        is_limited=bool(loaded.scope),
        overwrites=overwrites,
        waits=waits,
        detaches=detaches,
        max_time_s=time_limit_s(max_time),
        approval=None if plan_file is None else read_approval(plan_file),
        releases_unknown=releases_unknown,
        command=resume_command(),
    )
    return run_and_report(loaded, options, is_quiet=is_quiet, as_json=as_json)
