"""Attempts wait for budget in order of arrival, and every wait ends."""

import asyncio
from decimal import Decimal

from batcher.core.money.budget import Budget, BudgetState
from batcher.runner.sending.budget_gate import BudgetGate


def budget_gate(cap: str, least: str = "0.01") -> tuple[BudgetGate, asyncio.Event]:
    """Return a gate with this cap in USD, and its stop event."""
    stopping = asyncio.Event()
    budget = Budget(BudgetState(Decimal(cap), Decimal(0), Decimal(0)))
    return BudgetGate(budget, Decimal(least), stopping, stopping.set), stopping


def test_an_attempt_that_does_not_fit_waits_until_another_is_settled() -> None:
    """Waiting attempts are admitted in order of arrival; a smaller one does not overtake."""

    async def run() -> None:
        gate, _ = budget_gate("1")
        assert await gate.reserve(Decimal("0.9"))
        large = asyncio.create_task(gate.reserve(Decimal("0.8")))
        small = asyncio.create_task(gate.reserve(Decimal("0.05")))
        await asyncio.sleep(0)
        assert gate.waiting == 2
        gate.settle(Decimal("0.9"), Decimal("0.1"))
        assert await large
        assert await small
        assert gate.state is not None
        assert gate.state.available == Decimal("0.05")

    asyncio.run(run())


def test_an_attempt_that_never_fits_is_left_out_and_smaller_ones_are_sent() -> None:
    """The run stops only when the smallest worst case does not fit."""

    async def run() -> None:
        gate, stopping = budget_gate("1", least="0.3")
        assert not await gate.reserve(Decimal(2))
        assert not stopping.is_set()
        assert await gate.reserve(Decimal("0.8"))
        gate.settle(Decimal("0.8"), Decimal("0.8"))
        assert not await gate.reserve(Decimal("0.3"))
        assert stopping.is_set()
        assert gate.left_out == 2

    asyncio.run(run())


def test_a_stop_refuses_every_attempt() -> None:
    """After a stop, neither a waiting attempt nor a later one gets a reservation."""

    async def run() -> None:
        gate, stopping = budget_gate("1")
        assert await gate.reserve(Decimal(1))
        waiting = asyncio.create_task(gate.reserve(Decimal("0.5")))
        await asyncio.sleep(0)
        stopping.set()
        assert not await waiting
        assert not await gate.reserve(Decimal("0.1"))

    asyncio.run(run())


def test_a_cancelled_attempt_does_not_block_the_queue() -> None:
    """A cancelled attempt is skipped, and the next one gets the reservation."""

    async def run() -> None:
        gate, _ = budget_gate("1")
        assert await gate.reserve(Decimal("0.9"))
        cancelled = asyncio.create_task(gate.reserve(Decimal("0.5")))
        next_attempt = asyncio.create_task(gate.reserve(Decimal("0.5")))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.sleep(0)
        gate.settle(Decimal("0.9"), Decimal("0.2"))
        assert await next_attempt

    asyncio.run(run())


def test_without_a_budget_no_attempt_waits() -> None:
    """Without a budget, an attempt without a cost bound is admitted at once."""

    async def run() -> None:
        stopping = asyncio.Event()
        gate = BudgetGate(None, Decimal(0), stopping, stopping.set)
        assert await gate.reserve(None)
        assert gate.settle(None, None)
        assert gate.state is None

    asyncio.run(run())


def test_a_cost_above_its_bound_is_reported() -> None:
    """``settle`` returns False, so that the run stops: a budget with a wrong bound is not safe."""

    async def run() -> None:
        gate, _ = budget_gate("1")
        assert await gate.reserve(Decimal("0.1"))
        assert not gate.settle(Decimal("0.1"), Decimal("0.2"))

    asyncio.run(run())
