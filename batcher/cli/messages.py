"""How messages look: a fact a line on stderr, errors with their place and the next step."""

import json
import unicodedata
from typing import Any

import click

from batcher.errors import BatcherError, JobFileError

_KEPT_CONTROLS = "\n\t"


def say(text: str) -> None:
    """Tell one fact on stderr."""
    click.echo(printable(text), err=True)


def show_error(error: BatcherError) -> None:
    """Print an error: what, where, and what to do next."""
    if isinstance(error, JobFileError):
        for problem in error.problems:
            say(f"error  {problem}")
            if problem.hint:
                say(f"hint   {problem.hint}")
        return
    say(f"error  {error.message}")
    if error.hint:
        say(f"hint   {error.hint}")


def print_json(content: Any) -> None:
    """Print JSON for a program on stdout."""
    click.echo(json.dumps(content, indent=1, ensure_ascii=False, default=str))


def printable(text: str) -> str:
    """Take out what could move a terminal's cursor or turn its text around."""
    return "".join(
        character
        if character in _KEPT_CONTROLS or unicodedata.category(character) not in ("Cc", "Cf")
        else "�"
        for character in text
    )
