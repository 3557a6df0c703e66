"""What a run shows and asks; the command line is one implementation."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from batcher.core.money.budget import BudgetState

_PROJECT_FROM = 5
_QUANTILE = 1.645


@dataclass(frozen=True, slots=True)
class BatchesShown:
    """Batches that are not collected yet: how many, their requests, and the age of the oldest.

    ``next_s`` is when the next one is likely to end, in seconds; None when that is not known.
    """

    number: int
    requests: int
    oldest_s: float
    next_s: float | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one instant; the rate is in answers per second, times are in seconds.

    ``wait_s`` is how long a pause still lasts in which nothing is sent. ``usd_deviation`` is the
    standard deviation of the cost of a row. ``budget`` includes what earlier runs used; None
    without a budget. ``batches`` are those that are not collected yet; None without any.
    """

    total: int
    done: int
    failed: int
    retried: int
    in_flight: int
    spent_usd: Decimal
    unknown_usd: Decimal
    cache_read_share: float
    saved_usd: Decimal
    rate: float
    eta_s: float | None
    limiter: str
    elapsed_s: float
    wait_s: float = 0.0
    usd_deviation: float = 0.0
    budget: BudgetState | None = None
    batches: BatchesShown | None = None

    @property
    def cap_usd(self) -> Decimal | None:
        """The cap of the budget, in USD; None without a budget."""
        return None if self.budget is None else self.budget.cap

    @property
    def reserved_usd(self) -> Decimal:
        """What a budget reserves for attempts in flight, in USD; 0 without a budget."""
        return Decimal(0) if self.budget is None else self.budget.reserved

    @property
    def projected_usd(self) -> tuple[Decimal, Decimal, Decimal] | None:
        """The cost at the end of the run, in USD, if all rows cost like the finished ones.

        It comes with the ends of a 90 % interval; None before the first answers.
        """
        if self.done < _PROJECT_FROM:
            return None
        left = self.total - self.done
        expected = self.spent_usd + self.spent_usd / self.done * left
        # Two errors add up: of the mean so far, and of the remaining rows themselves.
        deviation = self.usd_deviation * math.sqrt(left * left / self.done + left)
        half = Decimal(_QUANTILE * deviation)
        return expected, max(self.spent_usd, expected - half), expected + half


class Ui(Protocol):
    """The user's side of a run."""

    def say(self, text: str) -> None:
        """Show one message."""

    def confirm(self, question: str) -> bool | None:
        """Ask a yes-or-no question; None when stdin is not a terminal."""

    @property
    def can_ask(self) -> bool:
        """Whether questions can be asked."""

    def reading(self, phase: str, rows: int) -> None:
        """Show how many rows a pass over the input has read; called for each chunk of rows."""

    def show(self, snapshot: Snapshot) -> None:
        """Show progress; called about once a second while requests are sent."""

    def end(self) -> None:
        """Remove the display of progress."""
