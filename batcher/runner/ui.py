"""What a run shows and asks, whoever is on the other side."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from batcher.core.money.budget import BudgetState

_PROJECT_FROM = 5
_QUANTILE = 1.645


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one instant; rates are answers a second, times are seconds.

    ``usd_deviation`` is the standard deviation of what a row costs. ``budget`` is where the budget
    stands, with what earlier runs used of it; None without one.
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
    usd_deviation: float = 0.0
    budget: BudgetState | None = None

    @property
    def cap_usd(self) -> Decimal | None:
        """What may be spent at most; None without a budget."""
        return None if self.budget is None else self.budget.cap

    @property
    def reserved_usd(self) -> Decimal:
        """What attempts in flight may still cost, as far as a budget holds it."""
        return Decimal(0) if self.budget is None else self.budget.reserved

    @property
    def projected_usd(self) -> tuple[Decimal, Decimal, Decimal] | None:
        """What the run will have spent at its end if the rest is like what is done.

        With the ends of a 90 % interval; None before the first answers.
        """
        if self.done < _PROJECT_FROM:
            return None
        left = self.total - self.done
        expected = self.spent_usd + self.spent_usd / self.done * left
        # The mean of what is done is off, and the rest scatters by itself.
        deviation = self.usd_deviation * math.sqrt(left * left / self.done + left)
        half = Decimal(_QUANTILE * deviation)
        return expected, max(self.spent_usd, expected - half), expected + half


class Ui(Protocol):
    """The command line's side of a run."""

    def say(self, text: str) -> None:
        """Tell one fact."""

    def confirm(self, question: str) -> bool | None:
        """Ask; None when there is nobody to ask."""

    @property
    def can_ask(self) -> bool:
        """Whether there is somebody to ask."""

    def show(self, snapshot: Snapshot) -> None:
        """Show progress; called about once a second while requests are sent."""

    def end(self) -> None:
        """Progress is over."""
