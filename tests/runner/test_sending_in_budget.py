"""Workers stay within the budget, leave out no request that fits, and never wait forever."""

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
    PRICES,
    RESET,
    UNSENT,
    FakeApi,
    FakeRecorder,
    Harness,
    failed,
    good,
    pending,
)
from virtual_time import now, run

from batcher.core.answers.outcome import classify
from batcher.core.answers.response import NoResponse, Response
from batcher.core.job import LimitsSection
from batcher.core.money.bill import Sent, bill
from batcher.core.money.budget import Budget, BudgetState
from batcher.core.pace.kinds import Limiter
from batcher.core.pace.retry import Stop
from batcher.runner.sending.feed import PendingRequest
from batcher.runner.sending.workers import run_workers
from batcher.store.records import Intent, OutcomeRecord, Record

COST = bill(classify(good()).message, Sent("claude-haiku-5-5", 50), PRICES).cost_usd
assert COST is not None
PREFIX = b"p" * 16


@dataclass
class Ledger(FakeRecorder):
    """Sums the records on the disk, as the first process after a kill would.

    Like the writer, it commits records in the order in which they were added.
    """

    amounts: dict[int, Decimal] = field(default_factory=dict)
    max_used: Decimal = Decimal(0)
    _pending: deque[tuple[str, Any, Any]] = field(default_factory=deque)

    def add(self, table: str, record: Record) -> "asyncio.Future[None]":
        """Commit in 20 ms, after all earlier records."""
        done = asyncio.get_running_loop().create_future()
        self._pending.append((table, record, done))
        asyncio.get_running_loop().call_later(COMMIT_S, self._commit_next)
        return done

    def _commit_next(self) -> None:
        table, record, done = self._pending.popleft()
        self._commit(table, record, done, 0)
        if isinstance(record, Intent):
            assert record.worst_case_usd is not None
            self.amounts[record.attempt_id] = record.worst_case_usd
        elif isinstance(record, OutcomeRecord) and record.cost_usd is not None:
            self.amounts[record.attempt_id] = record.cost_usd
        self.max_used = max(self.max_used, self.used)

    @property
    def used(self) -> Decimal:
        """The sum of the costs, and of the worst cases without an outcome."""
        return sum(self.amounts.values(), Decimal(0))


class ListFeed:
    """A feed that gives the requests of a list."""

    def __init__(self, requests: list[PendingRequest]) -> None:
        self._left = iter(requests)

    async def get(self) -> PendingRequest | None:
        """Return the next request; None at the end."""
        return next(self._left, None)


def harness_of(cap: Decimal, requests: list[PendingRequest], api: FakeApi, **more: Any) -> Harness:
    """Return a harness with a budget of ``cap`` USD."""
    least = min((request.worst_case_usd or Decimal(0) for request in requests), default=Decimal(0))
    budget = Budget(BudgetState(cap, Decimal(0), Decimal(0)))
    return Harness(api, Ledger(), budget=budget, least=least, **more)


def used(harness: Harness) -> Decimal:
    """Return what the budget counts as used, in USD."""
    assert harness.budget is not None
    return harness.budget.state.used


Script = list[Response | NoResponse]
ATTEMPTS = st.sampled_from(
    [RESET, UNSENT, failed(500), failed(529), failed(429, retry_after="2"), good()]
)
SCRIPTS = st.lists(ATTEMPTS, max_size=4).map(lambda script: [*script, good()])


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.tuples(SCRIPTS, st.integers(1, 20), st.booleans()), min_size=1, max_size=25),
    st.integers(0, 80),
    st.integers(1, 8),
)
def test_no_response_leads_to_overspending_or_leaves_out_a_request_that_fits(
    rows: list[tuple[Script, int, bool]], cap: int, concurrency: int
) -> None:
    """The records never sum to more than the cap, and a request not sent did not fit."""

    async def main() -> None:
        requests = [
            replace(pending(n, worst=COST * worst), prefixes=(PREFIX,) if shares else ())
            for n, (_, worst, shares) in enumerate(rows)
        ]
        api = FakeApi({n: list(script) for n, (script, _, _) in enumerate(rows)})
        limits = LimitsSection(concurrency=concurrency)
        harness = harness_of(COST * cap, requests, api, limits=limits)
        await run_workers(ListFeed(requests), harness.ctx)
        ledger = harness.recorder
        assert isinstance(ledger, Ledger)
        assert ledger.max_used <= COST * cap
        assert ledger.used == used(harness)
        results = [result for result, _ in harness.watcher.results]
        ended = {result.pending.item for result in results if isinstance(result.decision, Stop)}
        for request in requests:
            if request.item not in ended:
                assert request.worst_case_usd is not None
                assert request.worst_case_usd > COST * cap - ledger.used

    run(main())


@pytest.mark.parametrize("shares", [False, True])
def test_a_tight_budget_is_used_almost_fully(shares: bool) -> None:
    """Near the cap fewer requests are in flight, and at least 97 % of the budget is used."""

    async def main() -> None:
        cap, prefixes = COST * 500, (PREFIX,) if shares else ()
        requests = [replace(pending(n, worst=COST * 10), prefixes=prefixes) for n in range(2_000)]
        harness = harness_of(cap, requests, FakeApi(), limits=LimitsSection(concurrency=64))
        await run_workers(ListFeed(requests), harness.ctx)
        assert cap * Decimal("0.97") <= used(harness) <= cap
        assert len(harness.api.sent) == 491  # the next may cost as much as ten

    run(main())


def test_a_free_failure_releases_its_whole_reservation() -> None:
    """A budget for one attempt permits free failures until a response is billed."""

    async def main() -> None:
        requests = [pending(worst=COST)]
        script: Script = [failed(500), UNSENT, failed(429), good()]
        harness = harness_of(COST, requests, FakeApi({0: script}))
        await run_workers(ListFeed(requests), harness.ctx)
        assert used(harness) == COST

    run(main())


def test_a_budget_can_be_used_up_exactly() -> None:
    """The last attempt may reserve all that is left."""

    async def main() -> None:
        requests = [pending(n, worst=COST) for n in range(30)]
        harness = harness_of(COST * 30, requests, FakeApi())
        await run_workers(ListFeed(requests), harness.ctx)
        assert used(harness) == COST * 30
        assert not harness.ctx.budget_gate.left_out

    run(main())


def test_the_worst_case_of_an_unknown_attempt_stays_reserved() -> None:
    """After an unknown attempt, a second attempt needs its own reservation."""

    async def main() -> None:
        requests = [pending(worst=COST * 4)]
        harness = harness_of(COST * 7, requests, FakeApi({0: [RESET, good()]}))
        await run_workers(ListFeed(requests), harness.ctx)
        assert harness.budget is not None
        assert harness.budget.state.unknown == COST * 4
        assert len(harness.api.sent) == 1
        assert harness.ctx.budget_gate.left_out == 1
        assert harness.stopping.is_set()

    run(main())


def test_a_stop_ends_the_wait_for_budget() -> None:
    """A request that waits for budget delays neither the pace nor the end of the run."""

    async def main() -> None:
        requests = [pending(n, worst=COST * 10) for n in range(20)]
        harness = harness_of(COST * 15, requests, FakeApi(), limits=LimitsSection(concurrency=8))
        running = asyncio.create_task(run_workers(ListFeed(requests), harness.ctx))
        await asyncio.sleep(0.5)
        assert harness.ctx.budget_gate.waiting > 0
        assert harness.ctx.limiter is Limiter.BUDGET
        assert harness.ctx.rate_gate.limiter is None
        harness.stopping.set()
        await running
        assert now() < 1.5
        assert len(harness.api.sent) == len(harness.recorder.outcomes) == 1

    run(main())


def test_a_stop_releases_unused_reservations() -> None:
    """An attempt that has a reservation and waits for the pace releases it at a stop."""

    async def main() -> None:
        requests = [pending(n, worst=COST) for n in range(20)]
        limits = LimitsSection(concurrency=8, requests_per_minute=2)
        harness = harness_of(COST * 20, requests, FakeApi(), limits=limits)
        running = asyncio.create_task(run_workers(ListFeed(requests), harness.ctx))
        await asyncio.sleep(0.5)
        assert harness.budget is not None
        assert harness.budget.state.reserved == COST * 8
        harness.stopping.set()
        await running
        assert harness.budget.state.reserved == 0

    run(main())


def test_a_leader_that_does_not_fit_the_budget_blocks_no_follower() -> None:
    """A leader that does not fit is left out once nothing is in flight, and another one leads."""

    async def main() -> None:
        large = replace(pending(1, worst=COST * 50), prefixes=(PREFIX,))
        small = [replace(pending(n, worst=COST), prefixes=(PREFIX,)) for n in range(2, 8)]
        requests = [pending(0, worst=COST * 20), large, *small]
        harness = harness_of(COST * 30, requests, FakeApi(), limits=LimitsSection(concurrency=8))
        await run_workers(ListFeed(requests), harness.ctx)
        assert sorted(number for number, _ in harness.api.sent) == [0, *range(2, 8)]
        assert harness.ctx.budget_gate.largest_left_out == COST * 50

    run(main())
