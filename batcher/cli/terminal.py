"""A run's side of the terminal: three live lines, or a plain line every half minute."""

import contextlib
import sys
import time
from typing import Any

import click
from tqdm import tqdm

from batcher.cli.messages import printable, say
from batcher.core.money.display import rounded_text
from batcher.core.pace.kinds import limiter_text
from batcher.runner.ui import Snapshot

_PLAIN_EVERY_S = 30.0


class TerminalUi:
    """Speaks on stderr; asks only where somebody can answer.

    A reader that went away (a closed pager or terminal) must not end a run that is being paid for:
    what cannot be written is dropped.
    """

    def __init__(self, *, is_quiet: bool = False) -> None:
        self._is_quiet = is_quiet
        self._is_terminal = sys.stderr.isatty()
        self._bars: list[Any] = []
        self._spoke_at = time.monotonic()

    def say(self, text: str) -> None:
        """Tell one fact, above the bars when there are any."""
        with contextlib.suppress(OSError):
            if self._bars:
                self._bars[0].write(printable(text), file=sys.stderr)
            elif not self._is_quiet:
                say(text)

    def confirm(self, question: str) -> bool | None:
        """Ask yes or no on a terminal; None without one."""
        if not self.can_ask:
            return None
        try:
            return click.confirm(printable(question), default=False, err=True)
        except click.Abort:
            raise KeyboardInterrupt from None  # what click made of it nobody else knows

    @property
    def can_ask(self) -> bool:
        """Whether there is a terminal on both sides."""
        return sys.stdin.isatty() and self._is_terminal

    def show(self, snapshot: Snapshot) -> None:
        """Redraw the three lines, or write a plain one when it is time."""
        if self._is_quiet:
            return
        with contextlib.suppress(OSError):
            if self._is_terminal:
                self._draw(snapshot)
            elif time.monotonic() - self._spoke_at >= _PLAIN_EVERY_S:
                self._spoke_at = time.monotonic()
                say(plain_line(snapshot))

    def end(self) -> None:
        """Leave the last state of the lines budget_state."""
        with contextlib.suppress(OSError):
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
        rows.set_postfix_str(f"{snapshot.rate:,.1f}/s, {_eta(snapshot.eta_s)}", refresh=False)
        money.set_description_str(_money(snapshot), refresh=False)
        pace.set_description_str(_pace(snapshot), refresh=False)
        for bar in self._bars:
            bar.refresh()


def plain_line(snapshot: Snapshot) -> str:
    """One logfmt line, for logs."""
    facts = {
        "done": snapshot.done,
        "total": snapshot.total,
        "rate": f"{snapshot.rate:.1f}",
        "eta_s": "" if snapshot.eta_s is None else round(snapshot.eta_s),
        "spent_usd": snapshot.spent_usd,
        "unknown_usd": snapshot.unknown_usd,
        "cache_saved_usd": snapshot.saved_usd,
        "in_flight": snapshot.in_flight,
        "retried": snapshot.retried,
        "failed": snapshot.failed,
        "limiter": f'"{snapshot.limiter}"',
    }
    return " ".join(f"{name}={value}" for name, value in facts.items())


def _money(snapshot: Snapshot) -> str:
    parts = [f"{rounded_text(snapshot.spent_usd)} spent"]
    if snapshot.budget is not None:
        used, cap = rounded_text(snapshot.budget.used), rounded_text(snapshot.budget.cap)
        parts.append(f"{used} of the budget of {cap} used")
    if snapshot.projected_usd is not None:
        expected, low, high = map(rounded_text, snapshot.projected_usd)
        parts.append(f"about {expected} ({low} to {high}) at the end")
    if snapshot.unknown_usd:
        parts.append(f"up to {rounded_text(snapshot.unknown_usd)} perhaps billed unseen")
    if snapshot.cache_read_share:
        share, saved = snapshot.cache_read_share, rounded_text(snapshot.saved_usd)
        parts.append(f"{share:.0%} of input from the cache, which saved {saved}")
    return ", ".join(parts)


def _pace(snapshot: Snapshot) -> str:
    return (
        f"{limiter_text(snapshot.limiter)}, {snapshot.in_flight} in flight, "
        f"{snapshot.retried:,} retried, {snapshot.failed:,} failed"
    )


def _eta(seconds: float | None) -> str:
    if seconds is None:
        return "no end in sight yet"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min left"
    return f"{minutes} min {rest:02} s left" if minutes else f"{rest} s left"
