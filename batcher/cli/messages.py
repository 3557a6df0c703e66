"""How messages look: a fact a line on stderr, errors with their place and the next step."""

import json
import os
import sys
import traceback
import unicodedata
from pathlib import Path
from typing import Any, TextIO

import click

from batcher.errors import BatcherError, ProblemsError

_KEPT_CONTROLS = "\n\t"
_PACKAGE = Path(__file__).parents[1]


def say(text: str) -> None:
    """Tell one fact on stderr; one that cannot be told is dropped."""
    try:
        click.echo(printable(text), err=True)
    except OSError:
        forget_reader(sys.stderr)


def tell(text: str) -> None:
    """Write one line of what was asked for on stdout."""
    click.echo(printable(text))


def show_error(error: BatcherError) -> None:
    """Print an error: what, where, and what to do next."""
    if not isinstance(error, ProblemsError):
        show_problem(error.message, error.hint)
        return
    for problem in error.problems:
        show_problem(str(problem), problem.hint)
    if any(problem.line is not None or problem.hint is None for problem in error.problems):
        say("next   mend it, then type the same command again")


def show_problem(message: str, hint: str | None) -> None:
    """Print one thing that is wrong, and what to do about it."""
    say(f"error  {message}")
    if hint:
        say(f"hint   {hint}")


def show_usage(error: click.ClickException) -> None:
    """Print what is wrong with the command line."""
    context = getattr(error, "ctx", None)
    command = "batcher" if context is None else context.command_path
    message = " ".join(error.format_message().split())
    say(f"error  {message[:1].lower()}{message[1:]}")
    say(f"next   {command} --help")


def show_unexpected(error: Exception, *, is_debugging: bool) -> None:
    """Print what kind of error nobody thought of, and where.

    Its own text may quote a row, so it is left out; an error of the operating system names a file.
    """
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    what = f"unexpected {type(error).__name__}"
    if isinstance(error, OSError) and error.strerror:
        what = f"{error.filename or 'system'}: {error.strerror.lower()}"
    say(f"error  {what} (in {_place(error)}); what was recorded is kept, running again is safe")
    if not is_debugging:
        say("hint   BATCHER_DEBUG=1 before the same command shows where it comes from")


def _place(error: Exception) -> str:
    """Name the innermost line of ours that an error passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    if not ours:
        return "batcher"
    file = Path(ours[-1].filename).relative_to(_PACKAGE.parent)
    return f"{file}:{ours[-1].lineno}"


def print_json(content: Any) -> None:
    """Print JSON for a program on stdout."""
    click.echo(json.dumps(content, indent=1, ensure_ascii=False, default=str))


def printable(text: str) -> str:
    """Take out what could move a terminal's cursor or turn its text around."""
    return "".join(
        character
        if character in _KEPT_CONTROLS or unicodedata.category(character) not in ("Cc", "Cf", "Cs")
        else "�"
        for character in text
    )


def forget_reader(stream: TextIO | None = None) -> None:
    """Send the rest of a stream, or stdout, nowhere: its reader has left, which is no failure."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, (stream or sys.stdout).fileno())
    os.close(nowhere)
