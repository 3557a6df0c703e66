"""The batcher command: finds the subcommand's file, and turns errors into messages."""

import os
import sys
import threading
import traceback
from importlib import import_module

import click

from batcher import __version__
from batcher.cli.messages import forget_reader, say, show_error, show_unexpected, show_usage
from batcher.errors import BatcherError
from batcher.runner.signals import Terminated
from batcher.store import CHECKPOINT_THREAD

COMMANDS = {
    "init": "write a commented job file and a tiny input that run at once",
    "check": "everything that can be known without spending",
    "estimate": "what a run will cost, use and take",
    "run": "start, resume, or do what is new",
    "retry": "the failed rows only",
    "status": "what a running or stopped run has done",
    "failures": "failed rows, grouped, with an example and what to do",
    "show": "one row: request, attempts, answer, the arithmetic of its cost",
    "export": "the output again, elsewhere or in another format",
    "doctor": "a damaged or incomplete checkpoint: what is wrong, and a repaired copy",
    "prices": "the price table in force",
    "simulate": "the simulator as a server",
}
"""The commands in the order of a job's life, with their one line of help."""


class LazyGroup(click.Group):
    """Imports a command's file only when it is needed, so that help is there at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Name the commands in the order of a job's life."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"batcher.cli.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: batcher init demo && batcher run demo/job.toml --simulate",
)
@click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    help="Show the traceback of an unexpected error (or set BATCHER_DEBUG=1).",
)
@click.version_option(__version__, "-V", "--version", prog_name="batcher")
def root() -> None:
    """Run large prompt datasets on the Anthropic Messages API.

    Every paid answer is recorded, the same command resumes, and the cost is exact.
    """


def main() -> None:
    """Run the command line; the exit code says what to do now (README, "Exit codes")."""
    _hold_standard_streams()
    try:
        code = root.main(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        say("interrupted; what was recorded is kept\nnext   the same command again")
        code = 130
    except Terminated as error:
        say("terminated; what was recorded is kept\nnext   the same command again")
        code = error.exit_code
    except (BrokenPipeError, SystemExit):
        forget_reader()  # click exits when the reader of stdout has left
        code = 0
    except Exception as error:  # noqa: BLE001 - nobody should ever see a traceback unasked
        code = _show(error)
    try:
        sys.stdout.flush()
    except OSError:
        forget_reader()
    code = code if isinstance(code, int) else 0
    if any(thread.name == CHECKPOINT_THREAD for thread in threading.enumerate()):
        # A signal came before anybody held the thread to end it; in DuckDB it would abort Python.
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _hold_standard_streams() -> None:
    """Open what the caller closed (``2>&-``), so that no file of ours gets its number."""
    for number, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
            setattr(sys, name, open(number, "r" if number == 0 else "w"))  # noqa: SIM115, PTH123


def _show(error: Exception) -> int:
    """Turn an error into a message; return the exit code."""
    if isinstance(error, BatcherError):
        show_error(error)
        return error.exit_code
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    if isinstance(error, click.ClickException):
        show_usage(error)
        return error.exit_code
    if _is_debugging():
        traceback.print_exception(error)
    show_unexpected(error, is_debugging=_is_debugging())
    return 1


def _is_debugging() -> bool:
    return "--debug" in sys.argv or os.environ.get("BATCHER_DEBUG", "0") not in ("", "0")
