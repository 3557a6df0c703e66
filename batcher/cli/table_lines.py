"""Prints a table of a few rows on stdout, and on stderr what has no room in it."""

import shutil
from collections.abc import Sequence
from typing import Any

from batcher.cli.messages import print_line, say
from batcher.cli.table import layout

_WITHOUT_TERMINAL = (120, 24)


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Print rows with the same columns, the most important first; leave empty columns out."""
    names = [name for name in rows[0] if any(row[name] not in (None, "") for row in rows)]
    width = shutil.get_terminal_size(_WITHOUT_TERMINAL).columns
    table = layout(names, rows, width)
    print_line(table.header)
    for row in rows:
        print_line(table.line(row))
    if table.left_out:
        say(f"note   {', '.join(table.left_out)}: no room in {width} cells")
