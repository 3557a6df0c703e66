"""Prints what is wrong with a command line, with the name that was probably meant."""

import sys
from collections.abc import Iterable

import click

from batcher.cli.messages import say
from batcher.core.nearest import nearest

_INSTEAD = {
    "--dry-run": "without spending: batcher check JOB, or batcher run JOB --simulate",
    "--resume": "batcher run JOB resumes by itself",
    "--budget": "use --max-cost USD",
    "--model": "use --set request.model=NAME",
    "--concurrency": "use --set limits.concurrency=N",
    "--output": "use --set output.path=FILE",
}
"""Options that users of other programs try, and what to use instead."""


class UnknownCommandError(click.UsageError):
    """The first word is not a command."""

    def __init__(self, name: str, commands: Iterable[str], context: click.Context) -> None:
        super().__init__(f"no command is called {name!r}", context)
        self.hint = nearest(name, commands)


def show_usage_error(error: click.ClickException, commands: Iterable[str]) -> None:
    """Print what is wrong with the command line, a hint, and the command that helps."""
    message = " ".join(_message(error).split()).removesuffix(".")
    say(f"error  {message[:1].lower()}{message[1:]}")
    if hint := _hint(error):
        say(f"hint   {hint}")
    say(f"next   {_command(error, commands)} --help")


def _message(error: click.ClickException) -> str:
    # click's own text would add its suggestion, which is the hint here.
    return error.message if isinstance(error, click.NoSuchOption) else error.format_message()


def _hint(error: click.ClickException) -> str | None:
    if isinstance(error, UnknownCommandError):
        return error.hint
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return None
    options = [name for parameter in error.ctx.command.params for name in parameter.opts]
    return _INSTEAD.get(error.option_name) or nearest(error.option_name, options)


def _command(error: click.ClickException, commands: Iterable[str]) -> str:
    """Return the command with the mistake; click does not always name it."""
    context = getattr(error, "ctx", None)
    if context is not None:
        return str(context.command_path)
    return " ".join(["batcher", *[word for word in sys.argv[1:2] if word in commands]])
