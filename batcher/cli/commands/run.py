"""batcher run: start, resume, or do what is new."""

import os
import shlex
from pathlib import Path

import click

from batcher.cli.messages import forget_reader, print_json
from batcher.cli.options import job_argument, json_option, load, set_option
from batcher.cli.summary import summary
from batcher.cli.terminal import TerminalUi
from batcher.runner.pipeline import RunOptions, run_job


@click.command(
    "run",
    epilog="Example: batcher run job.toml --simulate --limit 20",
    short_help="start, resume, or do what is new",
)
@job_argument
@click.option("--yes", "says_yes", is_flag=True, help="Do not ask before spending.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N rows.")
@click.option(
    "--simulate",
    "is_simulated",
    is_flag=True,
    help="Answer with the embedded simulator: no key, no cost, an output of its own.",
)
@set_option
@click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.")
@json_option
def command(
    job: Path,
    overrides: tuple[str, ...],
    limit: int | None,
    *,
    says_yes: bool,
    is_simulated: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Start a job, resume it, or do only what is new.

    JOB is a job file. The same command resumes: a request with an answer in the checkpoint is
    never sent again, and when nothing is left to do it says so, at no cost.
    """
    loaded = load(job, overrides, limit)
    command = _typed_again(job, overrides, limit, is_simulated=is_simulated)
    options = RunOptions(is_simulated, says_yes, is_limited=limit is not None, command=command)
    ui = TerminalUi(is_quiet=quiet or as_json)
    result = run_job(loaded, options, ui, os.environ)
    try:
        if as_json:
            print_json(result.record)
        elif not quiet or result.exit_code:
            for line in summary(result, command, str(job)):
                click.echo(line, err=True)
    except OSError:
        forget_reader()  # the exit code still tells how the run ended
    return result.exit_code


def _typed_again(
    job: Path, overrides: tuple[str, ...], limit: int | None, *, is_simulated: bool
) -> str:
    """Give the command that resumes this run."""
    words = ["batcher", "run", str(job), *(["--simulate"] if is_simulated else [])]
    words += [] if limit is None else ["--limit", str(limit)]
    return shlex.join([*words, *(word for one in overrides for word in ("--set", one))])
