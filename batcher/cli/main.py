"""The batcher command: finds the subcommand's file, and turns errors into messages."""

import sys
from importlib import import_module

import click

from batcher import __version__
from batcher.cli.messages import show_error
from batcher.errors import BatcherError

COMMANDS = {
    "init": "write a commented job file and a tiny input that run at once",
    "check": "everything that can be known without spending",
    "run": "start, resume, or do what is new",
    "status": "what a running or stopped run has done",
    "failures": "failed rows, grouped, with an example and what to do",
    "show": "one row: request, attempts, answer, the arithmetic of its cost",
    "export": "the output again, elsewhere or in another format",
    "prices": "the price table in force",
    "simulate": "the simulator as a server",
}
"""The commands in the order of a job's life, with their one line of help."""


class LazyGroup(click.Group):
    """Imports a command's file only when it is needed, so that help is there at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of a job's life."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"batcher.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest command for a wrong one."""
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: batcher init demo && batcher run demo/job.toml --simulate",
)
@click.version_option(__version__, "-V", "--version", prog_name="batcher")
def root() -> None:
    """Run large prompt datasets on the Anthropic Messages API.

    Every paid answer is recorded, the same command resumes, and the cost is exact.
    """


def main() -> None:
    """Run the command line; the exit code says what to do now (README, "Exit codes")."""
    try:
        code = root.main(standalone_mode=False)
    except BatcherError as error:
        show_error(error)
        code = error.exit_code
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except KeyboardInterrupt:
        click.echo("interrupted; what was recorded is kept, the same command resumes", err=True)
        code = 130
    except BrokenPipeError:
        sys.stderr.close()  # a pager that was left: nothing to say to anybody
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
