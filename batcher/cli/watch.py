"""Shows the status of a run once a second until the run ends."""

import json
import os
import shutil
import sys
from collections.abc import Iterable

import click

from batcher.cli.messages import escaped_json, print_line, printable
from batcher.cli.status_lines import status_line, status_lines
from batcher.runner.commands.status import ObservedRun


def watch(statuses: Iterable[ObservedRun], *, as_json: bool) -> ObservedRun:
    """Show each status, and return the last one.

    As JSON, each status is one line. On a terminal, each status replaces the one before. Else a
    line is written when the text changes.
    """
    show = _print_json if as_json else Screen().draw if _is_terminal() else ChangedLines().show
    for observed in statuses:
        show(observed)
    return observed


class Screen:
    """Draws each status in the place of the one before."""

    def __init__(self) -> None:
        self._height = 0

    def draw(self, observed: ObservedRun) -> None:
        """Draw one status; cut lines at the width of the terminal, so that none wraps."""
        width = shutil.get_terminal_size().columns
        lines = [printable(line)[: width - 1] for line in status_lines(observed)]
        back = f"\x1b[{self._height}F" if self._height else ""
        text = "".join(f"{line}\x1b[K\n" for line in lines)
        click.echo(f"{back}{text}\x1b[J", nl=False, color=True)
        self._height = len(lines)


class ChangedLines:
    """Writes a line for each status whose text differs from the one before."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, observed: ObservedRun) -> None:
        """Write the line of a status when it differs from the last one."""
        line = status_line(observed)
        if line != self._last:
            self._last = line
            heartbeat = observed.status.process.heartbeat.isoformat(timespec="milliseconds")
            print_line(f"{heartbeat}  {line}")


def _print_json(observed: ObservedRun) -> None:
    click.echo(escaped_json(json.dumps(observed.to_json(), ensure_ascii=False)))


def _is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
