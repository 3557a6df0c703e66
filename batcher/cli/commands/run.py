"""batcher run: start, resume, or do what is new."""

from pathlib import Path

import click

from batcher.cli.options import job_argument, json_option, load, set_option
from batcher.cli.running import (
    Telling,
    again,
    max_cost_option,
    max_time_option,
    quiet_option,
    release_option,
    run_and_tell,
    seconds,
    simulate_option,
    wait_option,
    with_cap,
    yes_option,
)
from batcher.runner.options import RunOptions
from batcher.runner.planning.saved_plan import read_approval


@click.command(
    "run",
    epilog="Example: batcher run job.toml --simulate --limit 20",
    short_help="start, resume, or do what is new",
)
@job_argument
@yes_option
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N rows.")
@max_cost_option
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Only what this plan of batcher estimate says, within its cap; else exit 9.",
)
@max_time_option
@release_option
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
    max_time: str | None,
    *,
    releases_unknown: bool,
    says_yes: bool,
    waits: bool,
    is_simulated: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Start a job, resume it, or do only what is new.

    JOB is a job file. The same command resumes: a request with an answer in the checkpoint is
    never sent again, and when nothing is left to do it says so, at no cost.
    """
    loaded = load(job, with_cap(overrides, max_cost), limit)
    flags = [
        ("--simulate", is_simulated),
        ("--limit", limit),
        ("--max-cost", max_cost),
        ("--plan", plan_file),
        ("--max-time", max_time),
        ("--wait", waits),
        ("--set", overrides),
    ]
    options = RunOptions(
        is_simulated=is_simulated,
        says_yes=says_yes,
        is_limited=limit is not None,
        waits=waits,
        max_time_s=seconds(max_time),
        approval=None if plan_file is None else read_approval(plan_file),
        releases_unknown=releases_unknown,
        command=again("run", job, flags),
    )
    return run_and_tell(loaded, options, Telling(quiet, as_json), job)
