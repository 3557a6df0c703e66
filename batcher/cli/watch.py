"""Shows a run's status again and again until the run is over."""

import json
import os
import shutil
import sys
from collections.abc import Iterable

import click

from batcher.cli.messages import print_line, printable
from batcher.cli.status_lines import status_line, status_lines
from batcher.runner.commands.status import ObservedRun


def watch(statuses: Iterable[ObservedRun], *, as_json: bool) -> ObservedRun:
    """Show each status as it comes, and return the last.

    As a line of JSON, in place on a terminal, else as a line when it reads differently.
    """
    show = _print_json if as_json else Screen().draw if _is_terminal() else ChangedLines().show
    for observed in statuses:
        show(observed)
    return observed


class Screen:
    """Draws the lines of a status over those of the one before."""

    def __init__(self) -> None:
        self._height = 0

    def draw(self, observed: ObservedRun) -> None:
        """Draw one status; a line longer than the terminal is wide is cut, for it would wrap."""
        width = shutil.get_terminal_size().columns
        lines = [printable(line)[: width - 1] for line in status_lines(observed)]
        back = f"\x1b[{self._height}F" if self._height else ""
        text = "".join(f"{line}\x1b[K\n" for line in lines)
        click.echo(f"{back}{text}\x1b[J", nl=False, color=True)
        self._height = len(lines)


class ChangedLines:
    """Writes one line for each status that reads differently from the one before."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, observed: ObservedRun) -> None:
        """Write the line of one status, if it is new."""
        line = status_line(observed)
        if line != self._last:
            self._last = line
            heartbeat = observed.status.process.heartbeat.isoformat(timespec="milliseconds")
            print_line(f"{heartbeat}  {line}")


def _print_json(observed: ObservedRun) -> None:
    click.echo(json.dumps(observed.to_json(), ensure_ascii=False))


def _is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
