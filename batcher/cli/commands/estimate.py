"""batcher estimate: predicts the cost, tokens and time of a run."""

import os
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal
from pathlib import Path

import click

from batcher.cli.command_line import job_command, resume_command
from batcher.cli.estimate_report import estimate_json, estimate_lines, estimate_warnings
from batcher.cli.messages import print_json, print_line, say
from batcher.cli.options import job_argument, json_option, load, set_option
from batcher.cli.private_files import write_private_files
from batcher.cli.reading_line import reading
from batcher.cli.run_options import (
    deadline_option,
    delivery_option,
    max_cost_option,
    overwrite_option,
    simulate_option,
    with_budget,
    with_delivery,
    yes_option,
)
from batcher.cli.terminal import TerminalUi
from batcher.core.delivery import Mode
from batcher.core.money.display import rounded_text
from batcher.errors import ConfigurationError
from batcher.inputs.job_file.load import LoadedJob
from batcher.outputs.atomic import write_text
from batcher.runner.commands.estimate import Estimated, estimate_job
from batcher.runner.options import RunOptions
from batcher.runner.pipeline.run import run_job
from batcher.runner.planning.saved_plan import check_replaceable_plan, plan_to_save
from batcher.runner.signals import ProcessSignals

_MIN_PILOT = 10
_CENT = Decimal("0.01")


@click.command("estimate", epilog="Example: batcher estimate job.toml --pilot 100 --out plan.json")
@job_argument
@click.option(
    "--pilot",
    type=click.IntRange(min=_MIN_PILOT),
    metavar="N",
    help="First send N rows of all lengths and pay for them; the job keeps their answers.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a plan for batcher run --plan; its cap is the budget, else the high end of the "
    "estimate.",
)
@delivery_option
@deadline_option
@overwrite_option
@max_cost_option
@click.option("--offline", "is_offline", is_flag=True, help="Do not let the API count prompts.")
@yes_option
@simulate_option
@set_option
@json_option
def command(
    job: Path,
    overrides: tuple[str, ...],
    pilot: int | None,
    out: Path | None,
    max_cost: str | None,
    *,
    delivery: Mode | None,
    deadline: str | None,
    overwrites: bool,
    is_offline: bool,
    says_yes: bool,
    is_simulated: bool,
    as_json: bool,
) -> int:
    """Estimate the cost, tokens and time of a run: expected, 90 % interval and worst case.

    The estimate uses the answers that the job already has; a pilot gives the best ones. Without
    answers, the API counts the prompts of 100 rows, free of charge, when there is a key.
    """
    loaded = with_delivery(load(job, with_budget(overrides, max_cost)), delivery, deadline)
    if out is not None and not overwrites:
        check_replaceable_plan(out, loaded.name)
    if pilot is not None:
        options = RunOptions(is_simulated, says_yes, pilot=pilot, command=resume_command())
        pilot_job = with_delivery(loaded, delivery or "live", deadline if delivery else None)
        code = _send_pilot(pilot_job, options)
        if code:
            return code
    with reading(is_quiet=as_json) as rows_read:
        estimated = estimate_job(
            loaded,
            os.environ,
            is_simulated=is_simulated,
            is_offline=is_offline or pilot is not None,
            rows_read=rows_read,
        )
    cap = _cap(estimated)
    if out is not None:
        plan = plan_to_save(
            estimated.context, estimated.plan, datetime.now(UTC), cap, estimated.estimate.usd
        )
        _write(out, plan.to_json())
    if as_json:
        print_json(estimate_json(estimated))
        return 0
    for line in estimate_lines(estimated):
        print_line(line)
    for warning in estimate_warnings(estimated):
        say(f"warning  {warning}")
    if out is not None:
        say(f"wrote    {os.path.relpath(out)}, a plan with a cap of {rounded_text(cap)} in all")
    say(f"next     {_run_command(out, max_cost)}")
    return 0


def _run_command(plan_file: Path | None, max_cost: str | None) -> str:
    """Return the command that runs the job; a plan has --max-cost as its cap already."""
    if plan_file is not None:
        return job_command("run", options=["--plan", plan_file])
    return job_command("run", options=[] if max_cost is None else ["--max-cost", max_cost])


def _send_pilot(loaded: LoadedJob, options: RunOptions) -> int:
    """Send the pilot as a run of its own; return its exit code."""
    write_private_files()
    result = run_job(loaded, options, TerminalUi(), os.environ, ProcessSignals())
    if result.halt is not None:
        say(f"stop   {result.halt.message}")
        if result.halt.hint:
            say(f"hint   {result.halt.hint}")
    if result.exit_code:
        say(f"next   {options.command}")
    return result.exit_code


def _cap(estimated: Estimated) -> Decimal:
    """Return the cap of a saved plan: the budget, else the money spent and the high estimate."""
    if estimated.budget is not None:
        return estimated.budget.cap
    high = (estimated.spent_usd + estimated.estimate.usd.high).quantize(_CENT, ROUND_UP)
    return max(high, _CENT)


def _write(path: Path, text: str) -> None:
    try:
        write_text(path, text)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigurationError(
            f"{path} cannot be written: {reason}", hint="give another file to --out"
        ) from None
