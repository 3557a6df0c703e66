"""What a run shows and asks, whoever is on the other side."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one instant; rates are answers a second, times are seconds.

    ``used_usd`` is what counts against the budget ``cap_usd``, of earlier runs, too.
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
    cap_usd: Decimal | None = None
    used_usd: Decimal = Decimal(0)
    reserved_usd: Decimal = Decimal(0)

    @property
    def projected_usd(self) -> Decimal | None:
        """What the run will have spent at its end if the rest is like what is done."""
        return self.spent_usd / self.done * self.total if self.done else None


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
