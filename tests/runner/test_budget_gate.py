"""Attempts wait for money in their turn, and never for ever."""

import asyncio
from decimal import Decimal

from batcher.core.money.budget import Budget, BudgetState
from batcher.runner.sending.budget_gate import BudgetGate


def budget_gate(cap: str, least: str = "0.01") -> tuple[BudgetGate, asyncio.Event]:
    """A budget gate with so much in it."""
    stopping = asyncio.Event()
    budget = Budget(BudgetState(Decimal(cap), Decimal(0), Decimal(0)))
    return BudgetGate(budget, Decimal(least), stopping, stopping.set), stopping


def test_who_does_not_fit_waits_for_what_comes_back() -> None:
    """In the order of arrival: a small one behind does not overtake."""

    async def run() -> None:
        ours, _ = budget_gate("1")
        assert await ours.reserve(Decimal("0.9"))
        large = asyncio.create_task(ours.reserve(Decimal("0.8")))
        small = asyncio.create_task(ours.reserve(Decimal("0.05")))
        await asyncio.sleep(0)
        assert ours.waiting == 2
        ours.settle(Decimal("0.9"), Decimal("0.1"))
        assert await large
        assert await small
        assert ours.state is not None
        assert ours.state.available == Decimal("0.05")

    asyncio.run(run())


def test_what_never_fits_is_left_out_and_smaller_ones_go_on() -> None:
    """The run goes on as long as the least of what is left fits."""

    async def run() -> None:
        ours, stopping = budget_gate("1", least="0.3")
        assert not await ours.reserve(Decimal(2))
        assert not stopping.is_set()
        assert await ours.reserve(Decimal("0.8"))
        ours.settle(Decimal("0.8"), Decimal("0.8"))
        assert not await ours.reserve(Decimal("0.3"))
        assert stopping.is_set()
        assert ours.left_out == 2

    asyncio.run(run())


def test_a_stop_turns_everybody_away() -> None:
    """Attempts that wait when the run stops get no reservation, and neither do later ones."""

    async def run() -> None:
        ours, stopping = budget_gate("1")
        assert await ours.reserve(Decimal(1))
        waiting = asyncio.create_task(ours.reserve(Decimal("0.5")))
        await asyncio.sleep(0)
        stopping.set()
        assert not await waiting
        assert not await ours.reserve(Decimal("0.1"))

    asyncio.run(run())


def test_who_was_cancelled_holds_nobody_up() -> None:
    """The queue skips its place."""

    async def run() -> None:
        ours, _ = budget_gate("1")
        assert await ours.reserve(Decimal("0.9"))
        gone = asyncio.create_task(ours.reserve(Decimal("0.5")))
        next_one = asyncio.create_task(ours.reserve(Decimal("0.5")))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        ours.settle(Decimal("0.9"), Decimal("0.2"))
        assert await next_one

    asyncio.run(run())


def test_without_a_budget_nobody_waits() -> None:
    """Not even for what nothing bounds."""

    async def run() -> None:
        stopping = asyncio.Event()
        ours = BudgetGate(None, Decimal(0), stopping, stopping.set)
        assert await ours.reserve(None)
        assert ours.settle(None, None)
        assert ours.state is None

    asyncio.run(run())


def test_a_cost_above_its_bound_is_said() -> None:
    """So that the run can stop: no budget is safe with a wrong bound."""

    async def run() -> None:
        ours, _ = budget_gate("1")
        assert await ours.reserve(Decimal("0.1"))
        assert not ours.settle(Decimal("0.1"), Decimal("0.2"))

    asyncio.run(run())
