"""The batcher command: imports the file of a subcommand, and turns errors into messages."""

import gc
import os
import sys
import threading
import traceback
from importlib import import_module
from types import TracebackType

import click

from batcher import __version__
from batcher.cli.command_line import job_command, this_command
from batcher.cli.messages import discard_output, say, show_error, show_unexpected
from batcher.cli.usage_errors import UnknownCommandError, show_usage_error
from batcher.errors import BatcherError, DamageError
from batcher.runner.signals import Terminated, raise_on_signal
from batcher.store import CHECKPOINT_THREAD

COMMANDS = {
    "init": "write a commented job file and a small input, ready to run",
    "check": "find problems without spending: job file, rows, prices, output, key",
    "estimate": "predict the cost, tokens and time of a run",
    "run": "start or resume a job; send only what has no answer yet",
    "retry": "send failed rows again",
    "status": "show how far a job and its run are, or how the last run ended",
    "runs": "show the history of a job: rows, dollars, exit code and labels of each run",
    "batches": "list the Message Batches of a job; cancel or delete them",
    "failures": "group failed rows by reason, with an example and advice",
    "rows": "list rows, by status or condition: as a table, JSONL, CSV or Parquet",
    "show": "show one row: request, attempts, answer, cost line by line",
    "export": "write the output again, to another place or in another format",
    "doctor": "examine a checkpoint; write a repaired copy of a damaged one",
    "prices": "show the price table",
    "simulate": "serve a simulated Messages API on this computer",
}
"""The commands in the order of a job's life, each with one line of help."""

_COLLECT_EVERY = 20_000


class CommandContext(click.Context):
    """The context of a command; it says how to examine the job whose checkpoint is damaged."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Add to an error what only the command line knows."""
        if isinstance(error, DamageError) and self.info_name != error.next_command:
            error.whole_command = job_command(error.next_command)
        return super().__exit__(kind, error, trace)


class LazyGroup(click.Group):
    """A group that imports the file of a command only when it is needed; help stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the commands in the order of a job's life."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"batcher.cli.commands.{cmd_name}").command
        command.context_class = CommandContext
        collect_seldom()
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the first word; UnknownCommandError when there is none."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UnknownCommandError(args[0], COMMANDS, ctx)
        return super().resolve_command(ctx, args)

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


def collect_seldom() -> None:
    """Let the garbage collector ignore all that is loaded, and look at the rest less often.

    Rows make many objects and no cycles: by default it would take a tenth of planning.
    """
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY, 20, 20)
    gc.enable()


def main() -> None:
    """Run the command line; the exit code says what to do now (docs/operations.md)."""
    _reopen_standard_streams()
    try:
        with raise_on_signal():
            code = root.main(prog_name="batcher", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _show_stop("interrupted")
        code = 130
    except Terminated as error:
        _show_stop("terminated")
        code = error.exit_code
    except (BrokenPipeError, SystemExit):
        discard_output()  # click exits when the reader of stdout has closed it
        code = 0
    except Exception as error:  # noqa: BLE001 - users see a traceback only with --debug
        code = _show(error)
    try:
        sys.stdout.flush()
    except OSError:
        discard_output()
    code = code if isinstance(code, int) else 0
    if any(thread.name == CHECKPOINT_THREAD for thread in threading.enumerate()):
        # A signal came before anything owned this thread; while it is in DuckDB, a normal exit
        # would abort Python.
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _reopen_standard_streams() -> None:
    """Open the streams that the caller closed (``2>&-``); no file must get their number."""
    for number, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
            setattr(sys, name, open(number, "r" if number == 0 else "w"))  # noqa: SIM115, PTH123


def _show_stop(reason: str) -> None:
    say(f"{reason}; all recorded answers are kept")
    say(f"next   {this_command()}")


def _show(error: Exception) -> int:
    """Print an error as a message; return the exit code."""
    if isinstance(error, BatcherError):
        show_error(error)
        return error.exit_code
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    if isinstance(error, click.ClickException):
        show_usage_error(error, COMMANDS)
        return error.exit_code
    if _is_debugging():
        traceback.print_exception(error)
    show_unexpected(error, is_debugging=_is_debugging())
    return 1


def _is_debugging() -> bool:
    return "--debug" in sys.argv or os.environ.get("BATCHER_DEBUG", "0") not in ("", "0")
