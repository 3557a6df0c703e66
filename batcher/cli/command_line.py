"""Writes commands as they are typed into a shell; each ``next`` line shows one."""

import shlex
import sys
from collections.abc import Iterable

import click
from click.core import ParameterSource

_CONSENTS = frozenset({"says_yes", "releases_unknown"})
_TRAVEL, _SENDING = ("delivery", "deadline"), frozenset({"run", "retry", "estimate"})
_PLAIN = frozenset("/._-+=,@%:;()*' ")
_FEW, _SAMPLE = 20, 10


def command_line(command: str, *arguments: object, options: Iterable[object] = ()) -> str:
    """Write a batcher command with its arguments and options, quoted for a shell."""
    names, words = list(map(str, arguments)), list(map(str, options))
    if any(name.startswith("-") for name in names):
        words = [*words, "--", *names]  # words after -- are not options
    else:
        words = [*names, *words]
    return shlex.join(["batcher", command, *words])


def this_command() -> str:
    """Return the command that the user typed."""
    return shlex.join(["batcher", *sys.argv[1:]])


def resume_command(**changes: object) -> str:
    """Return the command that continues this one; click parses it to the same parameters.

    ``changes`` are parameters with another value. Options that agree to something for one run
    (--yes, --release-unknown) are left out, so that the next run asks again.
    """
    context = click.get_current_context()
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


def job_command(
    command: str, *arguments: object, options: Iterable[object] = (), is_real: bool = False
) -> str:
    """Return another command for the job of this one, with the same --set and --simulate.

    A command that sends has the same --delivery and --deadline, too. --set of retry is left out,
    because it changes only how the failed rows are sent. With ``is_real`` --simulate is, too.
    """
    context = click.get_current_context()
    given = context.params
    kept = () if context.info_name == "retry" else given["overrides"]
    overrides = [word for override in kept for word in ("--set", override)]
    flags = ["--simulate"] if given["is_simulated"] and not is_real else []
    sends = command in _SENDING
    chosen = [name for name in _TRAVEL if sends and given.get(name)]
    travel = [word for name in chosen for word in (f"--{name}", given[name])]
    words = [*options, *travel, *overrides, *flags]
    return command_line(command, given["job"], *arguments, options=words)


def _longest(option: click.Parameter) -> str:
    return max(option.opts, key=len)


def python_command(code: str) -> str:
    """Write a command that runs Python code, in double quotes when that is safe."""
    is_plain = all(character.isalnum() or character in _PLAIN for character in code)
    return f'python -c "{code}"' if is_plain else shlex.join(["python", "-c", code])


def reading_command(rows: int) -> str:
    """Return the command that shows the rows of an output, a sample of many."""
    return job_command("rows", options=["--sample", _SAMPLE] if rows > _FEW else [])
