"""batcher retry: ask the failed rows again, perhaps as a variant of the job says."""

from dataclasses import replace
from pathlib import Path

import click

from batcher.cli.options import job_argument, json_option, load, set_option
from batcher.cli.running import (
    Telling,
    again,
    max_cost_option,
    max_time_option,
    quiet_option,
    run_and_tell,
    seconds,
    simulate_option,
    wait_option,
    with_cap,
    yes_option,
)
from batcher.inputs.job_file.load import LoadedJob
from batcher.runner.options import Retrying, RunOptions
from batcher.runner.planning.retry import check_changes


@click.command(
    "retry",
    epilog="Example: batcher retry job.toml --only max_tokens --set request.max_tokens=1024",
    short_help="the failed rows only",
)
@job_argument
@click.option(
    "--only",
    metavar="TYPE,...",
    help="Only rows with these error types or statuses, as batcher failures names them.",
)
@yes_option
@max_cost_option
@max_time_option
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
    max_time: str | None,
    *,
    says_yes: bool,
    waits: bool,
    is_simulated: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Ask the rows again that failed, as they were or as --set says, and write the output anew.

    Rows that succeeded keep their answers and are not sent, whatever --set changes; a row that
    succeeds now keeps that answer in later runs. Rows that were given up because they may have been
    billed unseen are sent, too. What a row cost before stays in its cost.
    """
    # Answered rows keep their answers even when the job was edited; failed ones ask as it is now.
    loaded = _on_change(load(job, with_cap((), max_cost)), "keep")
    variant = _on_change(load(job, overrides), "redo")
    check_changes(variant)
    flags = [
        ("--only", only),
        ("--simulate", is_simulated),
        ("--max-cost", max_cost),
        ("--max-time", max_time),
        ("--wait", waits),
        ("--set", overrides),
    ]
    types = () if only is None else tuple(name.strip() for name in only.split(",") if name.strip())
    options = RunOptions(
        is_simulated=is_simulated,
        says_yes=says_yes,
        waits=waits,
        max_time_s=seconds(max_time),
        retrying=Retrying(variant, types),
        command=again("retry", job, flags),
    )
    return run_and_tell(loaded, options, Telling(quiet, as_json), job)


def _on_change(loaded: LoadedJob, what: str) -> LoadedJob:
    """Say what becomes of answered rows, whatever the job says."""
    request = loaded.job.request.model_copy(update={"on_change": what})
    return replace(loaded, job=loaded.job.model_copy(update={"request": request}))
