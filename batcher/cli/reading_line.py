"""Shows a pass over the input: one live line on a terminal, a plain line every half minute else."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from tqdm import tqdm

from batcher.cli.messages import say

FIRST_S = 0.2
_EVERY_S = 0.25
PLAIN_EVERY_S = 30.0


class ReadingLine:
    """The line about one pass; passes that end within ``FIRST_S`` show none."""

    def __init__(self, *, is_terminal: bool) -> None:
        self._every_s = _EVERY_S if is_terminal else PLAIN_EVERY_S
        self._first_s = FIRST_S if is_terminal else PLAIN_EVERY_S
        self._is_terminal = is_terminal
        self._phase = ""
        self._started = self._due = 0.0
        self._line: Any = None

    def show(self, phase: str, rows: int) -> None:
        """Show how many rows this pass has read, if that is due; OSError when nobody reads it."""
        now = time.monotonic()
        if phase != self._phase:
            self.end()
            self._phase, self._started, self._due = phase, now, now + self._first_s
        if now < self._due:
            return
        self._due = now + self._every_s
        rate = rows / max(now - self._started, 0.001)
        if not self._is_terminal:
            say(f"phase={phase} rows_read={rows} rate={rate:.0f}")
            return
        if self._line is None:
            self._line = tqdm(file=sys.stderr, bar_format="{desc}", dynamic_ncols=True, leave=False)
        self._line.set_description_str(f"{phase}  {rows:,} rows read, {rate:,.0f}/s")

    def end(self) -> None:
        """Remove the line; the next pass begins a new one."""
        if self._line is not None:
            self._line.close()
        self._line, self._phase = None, ""


@contextlib.contextmanager
def reading(*, is_quiet: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function that shows how many rows a command has read so far."""
    line = ReadingLine(is_terminal=sys.stderr.isatty())

    def rows_read(rows: int) -> None:
        if not is_quiet:
            with contextlib.suppress(OSError):
                line.show("planning", rows)

    try:
        yield rows_read
    finally:
        with contextlib.suppress(OSError):
            line.end()
