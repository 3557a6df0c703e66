"""Runs a job for a command, prints how it ended, and names the command that comes next."""

import os

from batcher.cli.command_line import job_command, resume_command
from batcher.cli.messages import discard_output, print_json, say
from batcher.cli.private_files import write_private_files
from batcher.cli.summary import summary
from batcher.cli.terminal import TerminalUi
from batcher.core.pace.halt import Halt
from batcher.inputs.job_file.load import LoadedJob
from batcher.runner.options import RunOptions
from batcher.runner.pipeline.run import run_job
from batcher.runner.planning.saved_plan import Approval
from batcher.runner.signals import ProcessSignals


def run_and_report(loaded: LoadedJob, options: RunOptions, *, is_quiet: bool, as_json: bool) -> int:
    """Run a job and print how it ended; return the exit code of the run.

    ``is_quiet`` prints only problems, ``as_json`` only the record of the run. When stderr cannot be
    written, the exit code still says how the run ended.
    """
    ui = TerminalUi(is_quiet=is_quiet or as_json)
    write_private_files()
    try:
        result = run_job(loaded, options, ui, os.environ, ProcessSignals())
    finally:
        ui.end()
    try:
        if as_json:
            print_json(result.summary.to_json())
        elif not is_quiet or result.exit_code:
            command = next_command(result.halt, options.approval)
            for line in summary(result, command):
                say(line)
    except OSError:
        discard_output()
    return result.exit_code


def next_command(halt: Halt | None, approval: Approval | None) -> str:
    """Return the command that continues a run, with a larger budget if that was too small.

    A larger budget does not raise the cap of a saved plan: then the command saves a new plan. A
    damaged checkpoint needs doctor first.
    """
    if halt is not None and halt.next_command != "run":
        return job_command(halt.next_command)
    if halt is None or halt.max_cost_usd is None:
        return resume_command()
    budget = str(halt.max_cost_usd)
    if approval is None or approval.cap_usd is None or halt.max_cost_usd <= approval.cap_usd:
        return resume_command(max_cost=budget)
    return job_command("estimate", options=["--max-cost", budget, "--out", str(approval.path)])
