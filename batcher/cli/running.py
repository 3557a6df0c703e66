"""What the commands that send requests share: their options, and how a run is told."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import click

from batcher.cli.messages import forget_reader, print_json, say
from batcher.cli.private_files import write_private_files
from batcher.cli.summary import summary
from batcher.cli.terminal import TerminalUi
from batcher.core.duration_text import seconds_of
from batcher.core.pace.halt import Halt
from batcher.errors import ConfigurationError
from batcher.inputs.job_file.load import LoadedJob
from batcher.runner.options import RunOptions
from batcher.runner.pipeline.run import run_job
from batcher.runner.signals import ProcessSignals

yes_option = click.option("--yes", "says_yes", is_flag=True, help="Do not ask before spending.")
simulate_option = click.option(
    "--simulate",
    "is_simulated",
    is_flag=True,
    help="Answer with the embedded simulator: no key, no cost, an output of its own.",
)
max_time_option = click.option(
    "--max-time",
    metavar="TIME",
    help="Send nothing more after so long, such as 5h or 90m; exit 7 when rows are left.",
)
wait_option = click.option(
    "--wait", "waits", is_flag=True, help="Wait while another process holds the job."
)
max_cost_option = click.option(
    "--max-cost",
    metavar="USD",
    help="Never spend more on this job than so many dollars: --set budget.max_cost_usd=USD.",
)
release_option = click.option(
    "--release-unknown",
    "releases_unknown",
    is_flag=True,
    help="Hold nothing for attempts that may have been billed unseen: the API says they were not.",
)
_MOST_USD = Decimal(10) ** 12

quiet_option = click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.")


@dataclass(frozen=True, slots=True)
class Telling:
    """How a run is told: not at all but for what went wrong, as JSON, or in lines."""

    is_quiet: bool
    as_json: bool


def again(command: str, job: Path, flags: Sequence[tuple[str, object]]) -> str:
    """Write the command that resumes this run; a flag without a value is left out."""
    words = ["batcher", command, str(job)]
    for name, value in flags:
        if value is True:
            words.append(name)
        elif isinstance(value, tuple):
            words += [word for one in value for word in (name, str(one))]
        elif value not in (None, False):
            words += [name, str(value)]
    return shlex.join(words)


def seconds(max_time: str | None) -> float | None:
    """Read --max-time; ConfigurationError when it is no length of time."""
    return None if max_time is None else seconds_of(max_time)


def with_cap(overrides: tuple[str, ...], max_cost: str | None) -> tuple[str, ...]:
    """Add --max-cost to what --set overrides; ConfigurationError when it is no amount."""
    if max_cost is None:
        return overrides
    # No commas: 1,50 is one and a half to half of the world, and a hundred and fifty to the rest.
    amount = max_cost.removeprefix("$")
    try:
        is_amount = Decimal(0) < Decimal(amount) < _MOST_USD
    except ArithmeticError:
        is_amount = False
    if not is_amount:
        raise ConfigurationError(
            f"--max-cost {max_cost} is no amount of dollars", hint="such as --max-cost 12.50"
        )
    return (*overrides, f"budget.max_cost_usd={Decimal(amount):f}")


def next_command(options: RunOptions, halt: Halt | None, job: Path) -> str:
    """Write the command that goes on: the same, with a budget that suffices where one did not.

    No budget lifts the cap of a saved plan: then the command is that which saves a plan anew.
    """
    if halt is None or halt.max_cost_usd is None:
        return options.command
    words, more = shlex.split(options.command), ["--max-cost", str(halt.max_cost_usd)]
    approval = options.approval
    if approval is None or approval.cap_usd is None or halt.max_cost_usd <= approval.cap_usd:
        return shlex.join([*_without(words, "--max-cost"), *more])
    overrides = [word for at, word in enumerate(words) if words[at - 1] == "--set"]
    flags = [("--simulate", options.is_simulated), ("--set", tuple(overrides))]
    return shlex.join(
        [*shlex.split(again("estimate", job, flags)), *more, "--out", str(approval.path)]
    )


def _without(words: Sequence[str], option: str) -> list[str]:
    """Leave out an option and its value."""
    return [word for at, word in enumerate(words) if option not in words[max(0, at - 1) : at + 1]]


def run_and_tell(loaded: LoadedJob, options: RunOptions, telling: Telling, job: Path) -> int:
    """Run a job and say how it ended; return its exit code, told or not."""
    ui = TerminalUi(is_quiet=telling.is_quiet or telling.as_json)
    write_private_files()
    result = run_job(loaded, options, ui, os.environ, ProcessSignals())
    try:
        if telling.as_json:
            print_json(result.record)
        elif not telling.is_quiet or result.exit_code:
            for line in summary(result, next_command(options, result.halt, job), str(job)):
                say(line)
    except OSError:
        forget_reader()  # the exit code still tells how the run ended
    return result.exit_code
