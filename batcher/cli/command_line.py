"""Writes commands as they are typed into a shell; each ``next`` line shows one."""

import os
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

import click
from click.core import ParameterSource

_CONSENTS = frozenset({"says_yes", "releases_unknown"})
_PLAIN = frozenset("/._-+=,@% ")
_WIDTH = 100 - len("next   ")


def command_line(
    command: str, *arguments: object, options: Iterable[object] = (), is_simulated: bool = False
) -> str:
    """Write a batcher command with its arguments and options, quoted for a shell."""
    names = [str(argument) for argument in arguments]
    flags = [*map(str, options), *(["--simulate"] if is_simulated else [])]
    if any(name.startswith("-") for name in names):
        words = [*flags, "--", *names]  # what follows -- is no option
    else:
        words = [*names, *flags]
    return shlex.join(["batcher", command, *words])


def this_command() -> str:
    """Return the command that the user typed."""
    return shlex.join(["batcher", *sys.argv[1:]])


def resume_command(context: click.Context, **changes: object) -> str:
    """Return the command that continues a run; click parses it to the same parameters.

    ``changes`` are parameters with another value. Options that agree to something for one run
    (--yes, --release-unknown) are left out, so that the next run asks again.
    """
    arguments: list[object] = []
    options: list[object] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        is_given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if name in _CONSENTS or not (is_given or name in changes):
            continue
        value = changes.get(name, context.params[name])
        if isinstance(parameter, click.Argument):
            arguments.append(value)
        elif value is True:
            options.append(_longest(parameter))
        else:
            values = value if isinstance(value, tuple) else (value,)
            options += [word for item in values for word in (_longest(parameter), item)]
    return command_line(context.info_name or "", *arguments, options=options)


def _longest(option: click.Parameter) -> str:
    return max(option.opts, key=len)


def reading_command(output: Path, job: Path, *, is_simulated: bool) -> str:
    """Return a command that shows the rows of a Parquet output.

    When its path is long or needs quotes, this is an export to JSON lines.
    """
    path = os.path.relpath(output)
    is_plain = all(character.isalnum() or character in _PLAIN for character in path)
    files = f"{path}/*.parquet" if output.is_dir() else path
    command = f"python -c \"import duckdb; print(duckdb.read_parquet('{files}'))\""
    if is_plain and len(command) <= _WIDTH:
        return command
    options = ["--format", "jsonl"]
    return command_line("export", job, options=options, is_simulated=is_simulated)
