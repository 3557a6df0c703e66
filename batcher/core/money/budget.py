"""The budget of a job: what may still be spent, decided before every attempt."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from batcher.core.money.exact import product, total


class Reservation(Enum):
    """Whether an attempt may leave as far as money goes."""

    NOW = "now"  # and its worst case is reserved
    LATER = "later"  # something in flight may give room back
    NEVER = "never"  # nothing is in flight, and it does not fit


@dataclass(frozen=True, slots=True)
class BudgetState:
    """Where a budget stands, in exact USD: together never more than ``cap``.

    ``unknown`` is held for attempts that may have been billed unseen.
    """

    cap: Decimal
    spent: Decimal
    unknown: Decimal
    reserved: Decimal = Decimal(0)

    @property
    def used(self) -> Decimal:
        """What is spent or held for good."""
        return total([self.spent, self.unknown])

    @property
    def available(self) -> Decimal:
        """What another attempt may cost at most; negative under a cap that was lowered."""
        return total([self.cap, product(-1, self.used), product(-1, self.reserved)])


class Budget:
    """Reserves the worst case of each attempt before it leaves, and settles it afterwards.

    Each attempt is settled once: with its cost, with None when it may have been billed unseen (then
    its worst case stays held), or with 0 when it certainly was not. Since an attempt never costs
    more than its worst case, spent + unknown + reserved never exceeds the cap, whenever the process
    dies: what was reserved is durable and counts as unknown from then on.
    """

    def __init__(self, budget_state: BudgetState) -> None:
        self._state = budget_state
        self._in_flight = 0

    @property
    def state(self) -> BudgetState:
        """Where it stands now."""
        return self._state

    def reserve(self, worst: Decimal) -> Reservation:
        """Ask for an attempt that costs at most ``worst`` USD."""
        if worst > self._state.available:
            return Reservation.LATER if self._in_flight else Reservation.NEVER
        self._in_flight += 1
        self._change(reserved=worst)
        return Reservation.NOW

    def settle(self, worst: Decimal, cost: Decimal | None) -> None:
        """Replace a reservation by what became of it; ValueError for a cost above its bound.

        Such a cost is counted all the same.
        """
        self._in_flight -= 1
        if cost is None:
            self._change(reserved=product(-1, worst), unknown=worst)
            return
        self._change(reserved=product(-1, worst), spent=cost)
        if cost > worst:
            raise ValueError("an attempt cost more than its worst case")

    def _change(
        self,
        spent: Decimal = Decimal(0),
        unknown: Decimal = Decimal(0),
        reserved: Decimal = Decimal(0),
    ) -> None:
        was = self._state
        self._state = BudgetState(
            was.cap,
            total([was.spent, spent]),
            total([was.unknown, unknown]),
            total([was.reserved, reserved]),
        )
