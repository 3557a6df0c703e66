"""The budget of a job: decides before each attempt whether its worst case still fits."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from batcher.core.money.exact import product, total


class Reservation(Enum):
    """Whether the budget lets an attempt be sent."""

    NOW = "now"  # its worst case is reserved
    LATER = "later"  # an attempt in flight, or in a batch, may release money
    NEVER = "never"  # it does not fit, and nothing is in flight


@dataclass(frozen=True, slots=True)
class BudgetState:
    """The sums of a budget in exact USD; spent + unknown + reserved never exceeds ``cap``.

    ``unknown`` is the worst case of attempts whose billing status is unknown; ``reserved`` is that
    of attempts in flight, and of those that wait in a batch.
    """

    cap: Decimal
    spent: Decimal
    unknown: Decimal
    reserved: Decimal = Decimal(0)

    @property
    def used(self) -> Decimal:
        """Money that no attempt in flight can release: spent or unknown."""
        return total([self.spent, self.unknown])

    @property
    def available(self) -> Decimal:
        """The highest worst case that still fits; negative after the cap was lowered too far."""
        return total([self.cap, product(-1, self.used), product(-1, self.reserved)])


class Budget:
    """Reserves the worst case of each attempt before it is sent, and settles it afterwards.

    Each attempt is settled once: with its cost, with None when its billing status is unknown (its
    worst case then stays reserved as unknown), or with 0 when it was certainly not billed. An
    attempt never costs more than its worst case, so spent + unknown + reserved never exceeds the
    cap. This holds even if the process is killed at any time: reservations are durable, and those
    without an outcome count as unknown from then on, or stay reserved while they wait in a batch.

    A budget starts with the attempts that wait in a batch as ``reserved``. ``in_flight`` is the
    number of those that this process settles when their batch has ended.
    """

    def __init__(self, budget_state: BudgetState, in_flight: int = 0) -> None:
        self._state = budget_state
        self._in_flight = in_flight

    @property
    def state(self) -> BudgetState:
        """The current sums."""
        return self._state

    @property
    def in_flight(self) -> int:
        """The number of reservations that are still to be settled."""
        return self._in_flight

    def reserve(self, worst: Decimal) -> Reservation:
        """Reserve ``worst`` USD for an attempt, if they fit."""
        if worst > self._state.available:
            return Reservation.LATER if self._in_flight else Reservation.NEVER
        self._in_flight += 1
        self._change(reserved=worst)
        return Reservation.NOW

    def settle(self, worst: Decimal, cost: Decimal | None) -> None:
        """Replace a reservation by its cost, or count it as unknown when ``cost`` is None.

        ValueError when the cost exceeds its bound; it is counted nevertheless.
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
        before = self._state
        self._state = BudgetState(
            before.cap,
            total([before.spent, spent]),
            total([before.unknown, unknown]),
            total([before.reserved, reserved]),
        )
