"""Shows a run on the terminal: three live lines, or a plain line every half minute."""

import contextlib
import sys
import time
from typing import Any

import click
from tqdm import tqdm

from batcher.cli.amounts import batches_text, duration, time_left
from batcher.cli.messages import printable, say
from batcher.cli.reading_line import PLAIN_EVERY_S, ReadingLine
from batcher.core.money.display import rounded_text
from batcher.core.pace.kinds import limiter_text
from batcher.runner.ui import Snapshot


class TerminalUi:
    """Shows progress and messages on stderr, and asks when stdin and stderr are a terminal.

    A closed pager or terminal must not end a run that costs money: text that cannot be written is
    dropped.
    """

    def __init__(self, *, is_quiet: bool = False) -> None:
        self._is_quiet = is_quiet
        self._is_terminal = sys.stderr.isatty()
        self._bars: list[Any] = []
        self._shown_at = time.monotonic()
        self._reading = ReadingLine(is_terminal=self._is_terminal)

    def say(self, text: str) -> None:
        """Print one message, above the live lines when there are any."""
        with contextlib.suppress(OSError):
            self._reading.end()
            if self._bars:
                self._bars[0].write(printable(text), file=sys.stderr)
            elif not self._is_quiet:
                say(text)

    def confirm(self, question: str) -> bool | None:
        """Ask yes or no on a terminal; None without a terminal."""
        if not self.can_ask:
            return None
        with contextlib.suppress(OSError):
            self._reading.end()
        try:
            return click.confirm(printable(question), default=False, err=True)
        except click.Abort:
            raise KeyboardInterrupt from None  # the run handles Ctrl-C, not click.Abort

    @property
    def can_ask(self) -> bool:
        """Whether stdin and stderr are a terminal."""
        return sys.stdin.isatty() and self._is_terminal

    def reading(self, phase: str, rows: int) -> None:
        """Show how far a pass over the input is, when it takes long."""
        if not self._is_quiet:
            with contextlib.suppress(OSError):
                self._reading.show(phase, rows)

    def show(self, snapshot: Snapshot) -> None:
        """Redraw the three lines, or write a plain line when it is due."""
        if self._is_quiet:
            return
        with contextlib.suppress(OSError):
            self._reading.end()
            if self._is_terminal:
                self._draw(snapshot)
            elif time.monotonic() - self._shown_at >= PLAIN_EVERY_S:
                self._shown_at = time.monotonic()
                say(plain_line(snapshot))

    def end(self) -> None:
        """Stop redrawing; the last state of the lines stays on the screen."""
        with contextlib.suppress(OSError):
            self._reading.end()
            for bar in self._bars:
                bar.close()
        self._bars = []

    def _draw(self, snapshot: Snapshot) -> None:
        if not self._bars:
            rows = tqdm(
                total=snapshot.total,
                file=sys.stderr,
                position=0,
                unit=" rows",
                dynamic_ncols=True,
                bar_format="{percentage:3.0f}% {bar} {n:,}/{total:,} rows{postfix}",
            )
            texts = [
                tqdm(file=sys.stderr, position=line, bar_format="{desc}", dynamic_ncols=True)
                for line in (1, 2)
            ]
            self._bars = [rows, *texts]
        rows, money, pace = self._bars
        rows.n = snapshot.done
        rows.set_postfix_str(f"{snapshot.rate:,.1f}/s, {time_left(snapshot.eta_s)}", refresh=False)
        money.set_description_str(_money(snapshot), refresh=False)
        pace.set_description_str(_pace(snapshot), refresh=False)
        for bar in self._bars:
            bar.refresh()


def plain_line(snapshot: Snapshot) -> str:
    """Write a snapshot as one logfmt line, for logs."""
    facts = {
        "done": snapshot.done,
        "total": snapshot.total,
        "rate": f"{snapshot.rate:.1f}",
        "eta_s": "" if snapshot.eta_s is None else round(snapshot.eta_s),
        "spent_usd": snapshot.spent_usd,
        "unknown_usd": snapshot.unknown_usd,
        "cache_saved_usd": snapshot.saved_usd,
        "in_flight": snapshot.in_flight,
        "in_batches": 0 if snapshot.batches is None else snapshot.batches.requests,
        "retried": snapshot.retried,
        "failed": snapshot.failed,
        "limiter": f'"{snapshot.limiter}"',
    }
    return " ".join(f"{name}={value}" for name, value in facts.items())


def _money(snapshot: Snapshot) -> str:
    """Write the money; what matters most comes first, because a narrow terminal cuts the line."""
    spent, unknown, budget = rounded_text(snapshot.spent_usd), snapshot.unknown_usd, snapshot.budget
    parts = [f"{spent} spent"]
    if budget is not None:
        of_budget, unknown = (
            f"{rounded_text(budget.spent)} of {rounded_text(budget.cap)}",
            budget.unknown,
        )
        is_all = budget.spent == snapshot.spent_usd
        parts = [f"{of_budget} spent"] if is_all else [*parts, f"{of_budget} budget"]
    if snapshot.projected_usd is not None:
        expected, low, high = map(rounded_text, snapshot.projected_usd)
        parts.append(f"about {expected} ({low} to {high}) at the end")
    if unknown:
        parts.append(f"up to {rounded_text(unknown)} of unknown cost")
    if snapshot.reserved_usd:
        parts.append(f"{rounded_text(snapshot.reserved_usd)} reserved")
    if snapshot.cache_read_share:
        share, saved = snapshot.cache_read_share, rounded_text(snapshot.saved_usd)
        parts.append(f"{share:.0%} of input cached, saved {saved}")
    return ", ".join(parts)


def _pace(snapshot: Snapshot) -> str:
    counts = f"{snapshot.retried:,} retried, {snapshot.failed:,} failed"
    shown, in_flight = snapshot.batches, snapshot.in_flight
    if shown is not None and not in_flight:
        return f"{batches_text(shown.number, shown.requests, shown.next_s)}, {counts}"
    pause = f", paused for {duration(snapshot.wait_s)}" if snapshot.wait_s >= 1 else ""
    batched = f", {shown.requests:,} in batches" if shown is not None else ""
    return f"{limiter_text(snapshot.limiter)}{pause}, {in_flight} in flight{batched}, {counts}"
