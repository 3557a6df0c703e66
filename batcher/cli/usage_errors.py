"""Prints what is wrong with a command line, with the name that was probably meant."""

import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from batcher.cli.messages import say
from batcher.core.nearest import nearest, nearest_name

_INSTEAD = {
    "--dry-run": "without spending: batcher check JOB, or batcher run JOB --simulate",
    "--resume": "batcher run JOB resumes by itself",
    "--budget": "use --max-cost USD",
    "--model": "use --set request.model=NAME",
    "--concurrency": "use --set limits.concurrency=N",
    "--output": "use --set output.path=FILE",
}
"""Options that users of other programs try, and what to use instead."""


_COMMANDS_INSTEAD = {
    **dict.fromkeys(("dry-run", "dryrun", "validate", "lint", "test", "plan"), "check"),
    **dict.fromkeys(("start", "resume", "continue", "submit"), "run"),
    **dict.fromkeys(("errors", "failed"), "failures"),
    **dict.fromkeys(("results", "output", "download"), "export"),
    **dict.fromkeys(("history", "log", "jobs"), "runs"),
    **dict.fromkeys(("list", "ls", "head", "table", "view"), "rows"),
    **dict.fromkeys(("cost", "price"), "estimate"),
    **dict.fromkeys(("progress", "watch", "ps"), "status"),
}
"""Commands that users of other programs try, and what to use instead."""


class UnknownCommandError(click.UsageError):
    """The first word is not a command; ``instead`` is the one that was probably meant."""

    def __init__(self, name: str, commands: Iterable[str], context: click.Context) -> None:
        super().__init__(f"no command is called {name!r}", context)
        self.name = name
        self.instead = _COMMANDS_INSTEAD.get(name) or nearest_name(name, commands)


def show_usage_error(error: click.ClickException, commands: Iterable[str]) -> None:
    """Print what is wrong with the command line, a hint, and the command that helps."""
    message = " ".join(_message(error).split()).removesuffix(".")
    say(f"error  {message[:1].lower()}{message[1:]}")
    if hint := _hint(error):
        say(f"hint   {hint}")
    say(f"next   {_next(error, commands)}")


def _next(error: click.ClickException, commands: Iterable[str]) -> str:
    """Return the corrected command when it is known, else the help of the command."""
    words = sys.argv[1:]
    if isinstance(error, UnknownCommandError) and error.instead is not None:
        return shlex.join(["batcher", *_replaced(words, error.name, error.instead)])
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        if error.option_name == "--dry-run" and error.ctx.info_name != "simulate":
            jobs = [word for word in words if Path(word).exists()]
            return shlex.join(["batcher", "check", *(jobs[:1] or ["JOB"])])
        if error.option_name not in _INSTEAD:
            near = nearest_name(error.option_name, _options(error.ctx))
            if near is not None:
                return shlex.join(["batcher", *_replaced(words, error.option_name, near)])
    return f"{_command(error, commands)} --help"


def _replaced(words: Sequence[str], wrong: str, right: str) -> list[str]:
    """Replace a word, also one with a value: ``--limt=3``."""
    return [
        right + word.removeprefix(wrong) if word == wrong or word.startswith(f"{wrong}=") else word
        for word in words
    ]


def _message(error: click.ClickException) -> str:
    # click's own text would add its suggestion, which is the hint here.
    return error.message if isinstance(error, click.NoSuchOption) else error.format_message()


def _hint(error: click.ClickException) -> str | None:
    if isinstance(error, UnknownCommandError):
        return None if error.instead is None else f"did you mean `{error.instead}`?"
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return None
    return _INSTEAD.get(error.option_name) or nearest(error.option_name, _options(error.ctx))


def _options(context: click.Context) -> list[str]:
    return [name for parameter in context.command.params for name in parameter.opts]


def _command(error: click.ClickException, commands: Iterable[str]) -> str:
    """Return the command with the mistake; click does not always name it."""
    context = getattr(error, "ctx", None)
    if context is not None:
        return str(context.command_path)
    return " ".join(["batcher", *[word for word in sys.argv[1:2] if word in commands]])
