"""The queue of attempts that wait for money; ``core.money.budget`` decides who gets it."""

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
    """Reserves the worst case of each attempt, in turn, for all workers. Money is in USD.

    Near the cap, attempts wait until others are back and have cost less than their worst case. An
    attempt that does not fit although nothing is in flight is left out, because a smaller one may
    still fit; ``largest_left_out`` is the largest worst case among them. ``stop`` is called when
    not even ``least``, the smallest worst case to be sent, fits. Without a budget nothing waits.
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
        """The state of the budget; None without a budget."""
        return None if self.budget is None else self.budget.state

    @property
    def waiting(self) -> int:
        """The number of attempts that wait."""
        return len(self._waiting)

    async def reserve(self, worst: Decimal | None) -> bool:
        """Reserve an attempt's worst case; False when it never fits, or the run is stopping."""
        if self.budget is None:
            return True
        if worst is None:
            raise TypeError("a budget needs a cost bound for every attempt")
        if self.stopping.is_set():
            return False
        self._watching = self._watching or asyncio.create_task(self._close_when_stopping())
        waiter = _Waiter(worst, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._pump()
        return await waiter.turn

    def reserve_now(self, worst: Decimal | None) -> bool:
        """Reserve an attempt's worst case if it fits now and no other attempt waits for money."""
        if self.budget is None:
            return True
        if worst is None:
            raise TypeError("a budget needs a cost bound for every attempt")
        return not self._waiting and self.budget.reserve(worst) is Reservation.NOW

    def settle(self, worst: Decimal | None, cost: Decimal | None) -> bool:
        """Settle a reservation (see ``Budget.settle``); False when the cost is above the bound."""
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
        """Decide for the waiting attempts, in order of arrival, as far as possible."""
        assert self.budget is not None  # noqa: S101 - nothing waits without a budget
        while self._waiting and not self.stopping.is_set():
            waiter = self._waiting[0]
            if waiter.turn.done():  # cancelled
                self._waiting.popleft()
                continue
            reservation = self.budget.reserve(waiter.worst)
            if reservation is Reservation.LATER:
                return
            self._waiting.popleft()
            waiter.turn.set_result(reservation is Reservation.NOW)
            if reservation is Reservation.NEVER:
                self.left_out += 1
                self.largest_left_out = max(self.largest_left_out, waiter.worst)
                if self.budget.state.available < self.least:
                    self.stop()

    async def _close_when_stopping(self) -> None:
        await self.stopping.wait()
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.turn.done():
                waiter.turn.set_result(False)
