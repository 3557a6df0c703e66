"""Prints results on stdout, and messages and errors on stderr, one fact a line."""

import json
import os
import sys
import traceback
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from batcher.cli.command_line import this_command
from batcher.errors import (
    BatcherError,
    DamageError,
    LockedError,
    PlanChangedError,
    Problem,
    ProblemsError,
)

_KEPT_CONTROLS = "\n\t"
_BEFORE: Mapping[type[BatcherError], str] = {
    LockedError: "wait until it ends",
    PlanChangedError: "save a new plan",
}
"""What to do before the same command can run; for all other errors: fix this."""
_PACKAGE = Path(__file__).parents[1]


def say(text: str) -> None:
    """Print one message on stderr; drop it when stderr cannot be written."""
    try:
        click.echo(printable(text), err=True)
    except OSError:
        discard_output(sys.stderr)


def print_line(text: str) -> None:
    """Print one line of the result on stdout."""
    click.echo(printable(text))


def show_error(error: BatcherError) -> None:
    """Print an error: what is wrong, where, and what to do next."""
    problems: Sequence[BatcherError | Problem] = [error]
    if isinstance(error, ProblemsError):
        problems = error.problems
    for problem in problems:
        show_problem(str(problem), problem.hint)
    if isinstance(error, DamageError) and error.whole_command is not None:
        say(f"next   {error.whole_command}")
    elif len(problems) > 1 or not _is_command(problems[0].hint):
        say(f"next   {_BEFORE.get(type(error), 'fix this')}, then run: {this_command()}")


def show_problem(message: str, hint: str | None) -> None:
    """Print one problem and what to do about it."""
    say(f"error  {message}")
    if hint:
        say(f"{'next' if _is_command(hint) else 'hint'}   {hint}")


def _is_command(hint: str | None) -> bool:
    return hint is not None and hint.startswith(("batcher ", "python "))


def show_unexpected(error: Exception, *, is_debugging: bool) -> None:
    """Print the type and the place of an unexpected error.

    Its message is left out, because it may quote a row; an error of the operating system only
    names a file.
    """
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    reason = f"unexpected {type(error).__name__}"
    if isinstance(error, OSError) and error.strerror:
        reason = f"{error.filename or 'system'}: {error.strerror.lower()}"
    say(f"error  {reason} (in {_place(error)}); recorded answers are kept, running again is safe")
    if not is_debugging:
        say("hint   set BATCHER_DEBUG=1 to see the traceback")
    say(f"next   {this_command()}")


def _place(error: Exception) -> str:
    """Return the innermost line of this package in the traceback of an error."""
    frames = traceback.extract_tb(error.__traceback__)
    own_frames = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    if not own_frames:
        return "batcher"
    file = Path(own_frames[-1].filename).relative_to(_PACKAGE.parent)
    return f"{file}:{own_frames[-1].lineno}"


def print_json(content: Any) -> None:
    """Print JSON on stdout; characters that a terminal would obey are escaped."""
    click.echo(escaped_json(json.dumps(content, indent=1, ensure_ascii=False, default=str)))


def escaped_json(text: str) -> str:
    """Write the characters of JSON that ``printable`` replaces as escapes; the value is the same.

    JSON has them only inside strings.
    """
    return "".join(_escape(character) if _is_obeyed(character) else character for character in text)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def printable(text: str) -> str:
    """Replace characters that move the cursor of a terminal or change the direction of text."""
    return "".join("�" if _is_obeyed(character) else character for character in text)


def _is_obeyed(character: str) -> bool:
    """Return whether a terminal obeys a character instead of showing it."""
    is_kept = character in _KEPT_CONTROLS
    return not is_kept and unicodedata.category(character) in ("Cc", "Cf", "Cs")


def discard_output(stream: TextIO | None = None) -> None:
    """Discard what is still written to a stream (default: stdout) whose reader has closed it."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, (stream or sys.stdout).fileno())
    os.close(null)
