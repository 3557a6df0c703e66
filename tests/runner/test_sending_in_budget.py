"""Workers on a budget: never above it on the disk, nothing left out that fits, nobody for ever."""

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sending import (
    COMMIT_S,
    LOST,
    PRICES,
    UNSENT,
    FakeApi,
    FakeRecorder,
    Stage,
    failed,
    good,
    pending,
)
from virtual_time import now, run

from batcher.core.answers.outcome import classify
from batcher.core.answers.response import NoResponse, Response
from batcher.core.job import LimitsSection
from batcher.core.money.bill import bill
from batcher.core.money.budget import Budget, BudgetState
from batcher.core.pace.kinds import Limiter
from batcher.core.pace.retry import Stop
from batcher.runner.sending.feed import PendingRequest
from batcher.runner.sending.workers import run_workers
from batcher.store.records import Intent, OutcomeRecord, Record

COST = bill(classify(good()).message, "claude-haiku-5-5", PRICES).cost_usd
assert COST is not None
PREFIX = b"p" * 16


@dataclass
class Ledger(FakeRecorder):
    """Counts what is on the disk as a process would that starts after a kill.

    Records come there in the order in which they were added, as the writer sees to.
    """

    held: dict[int, Decimal] = field(default_factory=dict)
    most: Decimal = Decimal(0)
    _coming: deque[tuple[str, Any, Any]] = field(default_factory=deque)

    def add(self, table: str, record: Record) -> "asyncio.Future[None]":
        """Commit in 20 ms, after whatever was added before."""
        done = asyncio.get_running_loop().create_future()
        self._coming.append((table, record, done))
        asyncio.get_running_loop().call_later(COMMIT_S, self._commit_next)
        return done

    def _commit_next(self) -> None:
        table, record, done = self._coming.popleft()
        self._commit(table, record, done, 0)
        if isinstance(record, Intent):
            assert record.worst_case_usd is not None
            self.held[record.attempt_id] = record.worst_case_usd
        elif isinstance(record, OutcomeRecord) and record.cost_usd is not None:
            self.held[record.attempt_id] = record.cost_usd
        self.most = max(self.most, self.used)

    @property
    def used(self) -> Decimal:
        """Spent, and whatever may have been."""
        return sum(self.held.values(), Decimal(0))


class Errands:
    """A feed of these."""

    def __init__(self, pending_requests: list[PendingRequest]) -> None:
        self._left = iter(pending_requests)

    async def get(self) -> PendingRequest | None:
        """Give the next."""
        return next(self._left, None)


def staged(
    cap: Decimal, pending_requests: list[PendingRequest], api: FakeApi, **more: Any
) -> Stage:
    """A stage with so much money."""
    least = min((e.worst_case_usd or Decimal(0) for e in pending_requests), default=Decimal(0))
    budget = Budget(BudgetState(cap, Decimal(0), Decimal(0)))
    return Stage(api, Ledger(), budget=budget, least=least, **more)


def used(stage: Stage) -> Decimal:
    """What the budget says is gone."""
    assert stage.budget is not None
    return stage.budget.state.used


Script = list[Response | NoResponse]
ATTEMPTS = st.sampled_from(
    [LOST, UNSENT, failed(500), failed(529), failed(429, retry_after="2"), good()]
)
SCRIPTS = st.lists(ATTEMPTS, max_size=4).map(lambda tries: [*tries, good()])


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.tuples(SCRIPTS, st.integers(1, 20), st.booleans()), min_size=1, max_size=25),
    st.integers(0, 80),
    st.integers(1, 8),
)
def test_whatever_comes_back_nothing_is_overspent_and_nothing_that_fits_is_left_out(
    rows: list[tuple[Script, int, bool]], cap: int, concurrency: int
) -> None:
    """After any kill the disk holds no more than the cap; what was not sent did not fit."""

    async def main() -> None:
        requests = [
            replace(pending(n, worst=COST * worst), prefixes=(PREFIX,) if shares else ())
            for n, (_, worst, shares) in enumerate(rows)
        ]
        api = FakeApi({n: list(script) for n, (script, _, _) in enumerate(rows)})
        limits = LimitsSection(concurrency=concurrency)
        stage = staged(COST * cap, requests, api, limits=limits)
        await run_workers(Errands(requests), stage.ctx)
        ledger = stage.recorder
        assert isinstance(ledger, Ledger)
        assert ledger.most <= COST * cap
        assert ledger.used == used(stage)
        ended = {t.pending.item for t, _ in stage.watcher.tries if isinstance(t.decision, Stop)}
        for one in requests:
            if one.item not in ended:
                assert one.worst_case_usd is not None
                assert one.worst_case_usd > COST * cap - ledger.used

    run(main())


@pytest.mark.parametrize("shares", [False, True])
def test_hardly_anything_of_a_budget_that_binds_is_left_unused(shares: bool) -> None:
    """Of fifty worst cases: near the cap fewer go at once, and none is given up too early."""

    async def main() -> None:
        cap, prefixes = COST * 500, (PREFIX,) if shares else ()
        requests = [replace(pending(n, worst=COST * 10), prefixes=prefixes) for n in range(2_000)]
        stage = staged(cap, requests, FakeApi(), limits=LimitsSection(concurrency=64))
        await run_workers(Errands(requests), stage.ctx)
        assert cap * Decimal("0.97") <= used(stage) <= cap
        assert len(stage.api.sent) == 491  # the next may cost as much as ten

    run(main())


def test_a_failure_that_costs_nothing_gives_back_all() -> None:
    """A budget for one attempt lets a request be tried until it is answered."""

    async def main() -> None:
        requests = [pending(worst=COST)]
        script: Script = [failed(500), UNSENT, failed(429), good()]
        stage = staged(COST, requests, FakeApi({0: script}))
        await run_workers(Errands(requests), stage.ctx)
        assert used(stage) == COST

    run(main())


def test_exactly_enough_is_enough() -> None:
    """The last attempt may reserve the last of it."""

    async def main() -> None:
        requests = [pending(n, worst=COST) for n in range(30)]
        stage = staged(COST * 30, requests, FakeApi())
        await run_workers(Errands(requests), stage.ctx)
        assert used(stage) == COST * 30
        assert not stage.ctx.budget_gate.left_out

    run(main())


def test_an_unknown_fate_stays_held() -> None:
    """So that a second attempt of the same request needs as much again."""

    async def main() -> None:
        requests = [pending(worst=COST * 4)]
        stage = staged(COST * 7, requests, FakeApi({0: [LOST, good()]}))
        await run_workers(Errands(requests), stage.ctx)
        assert stage.budget is not None
        assert stage.budget.state.unknown == COST * 4
        assert len(stage.api.sent) == 1
        assert stage.ctx.budget_gate.left_out == 1
        assert stage.stopping.is_set()

    run(main())


def test_a_stop_ends_the_wait_for_money() -> None:
    """Who waits holds neither the pace nor the end of the run."""

    async def main() -> None:
        requests = [pending(n, worst=COST * 10) for n in range(20)]
        stage = staged(COST * 15, requests, FakeApi(), limits=LimitsSection(concurrency=8))
        running = asyncio.create_task(run_workers(Errands(requests), stage.ctx))
        await asyncio.sleep(0.5)
        assert stage.ctx.budget_gate.waiting > 0
        assert stage.ctx.limiter is Limiter.BUDGET
        assert stage.ctx.rate_gate.limiter is None
        stage.stopping.set()
        await running
        assert now() < 1.5
        assert len(stage.api.sent) == len(stage.recorder.outcomes) == 1

    run(main())


def test_a_stop_gives_back_what_was_not_used() -> None:
    """Of attempts that had their money, and waited for the pace."""

    async def main() -> None:
        requests = [pending(n, worst=COST) for n in range(20)]
        limits = LimitsSection(concurrency=8, requests_per_minute=2)
        stage = staged(COST * 20, requests, FakeApi(), limits=limits)
        running = asyncio.create_task(run_workers(Errands(requests), stage.ctx))
        await asyncio.sleep(0.5)
        assert stage.budget is not None
        assert stage.budget.state.reserved == COST * 8
        stage.stopping.set()
        await running
        assert stage.budget.state.reserved == 0

    run(main())


def test_a_leader_without_money_keeps_nobody_waiting() -> None:
    """It waits for what is in flight, is left out when it does not fit, and another one leads."""

    async def main() -> None:
        large = replace(pending(1, worst=COST * 50), prefixes=(PREFIX,))
        small = [replace(pending(n, worst=COST), prefixes=(PREFIX,)) for n in range(2, 8)]
        requests = [pending(0, worst=COST * 20), large, *small]
        stage = staged(COST * 30, requests, FakeApi(), limits=LimitsSection(concurrency=8))
        await run_workers(Errands(requests), stage.ctx)
        assert sorted(number for number, _ in stage.api.sent) == [0, *range(2, 8)]
        assert stage.ctx.budget_gate.largest_left_out == COST * 50

    run(main())
