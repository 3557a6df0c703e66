"""The queue of attempts that wait for money; whether there is any is decided in ``core.money``."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from batcher.core.money.budget import Budget, BudgetState, Reservation


@dataclass(frozen=True, slots=True)
class _Waiter:
    worst: Decimal
    turn: "asyncio.Future[bool]"


@dataclass(slots=True)
class BudgetGate:
    """Shared by all workers; lets each attempt reserve its worst case in its turn.

    Near the cap attempts wait until others in flight have come back and cost less than they might
    have. One that does not fit although nothing is in flight is left out, since a smaller one may
    still fit (``largest_left_out`` is the worst case of the largest). ``stop`` is called when not
    even the ``least`` of what is to be sent does. Without a budget nobody waits.
    """

    budget: Budget | None
    least: Decimal
    stopping: asyncio.Event
    stop: Callable[[], None]
    left_out: int = 0
    largest_left_out: Decimal = Decimal(0)
    _waiting: deque[_Waiter] = field(default_factory=deque)
    _watching: "asyncio.Task[None] | None" = None

    @property
    def state(self) -> BudgetState | None:
        """Where the budget stands; None without one."""
        return None if self.budget is None else self.budget.state

    @property
    def waiting(self) -> int:
        """How many attempts wait for room."""
        return len(self._waiting)

    async def reserve(self, worst: Decimal | None) -> bool:
        """Wait until an attempt may cost so much; False when it may not, or the run is stopping."""
        if self.budget is None:
            return True
        if worst is None:
            raise TypeError("a budget needs a bound of every attempt")
        if self.stopping.is_set():
            return False
        self._watching = self._watching or asyncio.create_task(self._turn_away())
        waiter = _Waiter(worst, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._pump()
        return await waiter.turn

    def settle(self, worst: Decimal | None, cost: Decimal | None) -> bool:
        """Say what became of a reservation, as ``Budget.settle``; False for one above its bound."""
        if self.budget is None or worst is None:
            return True
        try:
            self.budget.settle(worst, cost)
        except ValueError:
            return False
        finally:
            self._pump()
        return True

    def _pump(self) -> None:
        """Answer everybody who can be answered, in the order of arrival."""
        assert self.budget is not None  # noqa: S101 - nobody waits without one
        while self._waiting and not self.stopping.is_set():
            waiter = self._waiting[0]
            if waiter.turn.done():  # cancelled
                self._waiting.popleft()
                continue
            said = self.budget.reserve(waiter.worst)
            if said is Reservation.LATER:
                return
            self._waiting.popleft()
            waiter.turn.set_result(said is Reservation.NOW)
            if said is Reservation.NEVER:
                self.left_out += 1
                self.largest_left_out = max(self.largest_left_out, waiter.worst)
                if self.budget.state.available < self.least:
                    self.stop()

    async def _turn_away(self) -> None:
        await self.stopping.wait()
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.turn.done():
                waiter.turn.set_result(False)
