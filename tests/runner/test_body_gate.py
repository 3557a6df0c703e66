"""The responses that are expected at once fit into memory, and nothing waits forever."""

import asyncio
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sending import FakeApi, Harness, good
from test_workers import FakeFeed
from virtual_time import run

from batcher.core.job import LimitsSection
from batcher.runner.sending.body_gate import BodyGate
from batcher.runner.sending.feed import PendingRequest
from batcher.runner.sending.workers import run_workers

LIMIT = 1000


def inside(gate: BodyGate) -> int:
    """Let as many attempts in as there is room for; return how many are inside."""
    while gate._has_room and gate._inside < 200:
        gate._inside += 1
    return gate._inside


class LongFeed(FakeFeed):
    """Gives requests with these ``max_tokens``."""

    def __init__(self, count: int, max_tokens: int) -> None:
        super().__init__(count)
        self._max_tokens = max_tokens

    async def get(self) -> PendingRequest | None:
        """Return the next request; None at the end."""
        pending = await super().get()
        return None if pending is None else replace(pending, max_tokens=self._max_tokens)


@given(st.lists(st.integers(0, 3 * LIMIT), min_size=1, max_size=50))
def test_what_is_expected_fits(sizes: list[int]) -> None:
    """As many as fit by the largest response so far, and always one."""
    gate = BodyGate(asyncio.Event(), LIMIT)
    for size in sizes:
        gate.learn(size)
        gate._inside = 0
        number = inside(gate)
        assert number == 1 or number * size <= LIMIT


def test_one_large_response_is_forgotten() -> None:
    """After a few hundred small ones, as many are in flight as before."""
    gate = BodyGate(asyncio.Event(), LIMIT)
    gate.learn(LIMIT)
    assert inside(gate) == 1
    for _ in range(300):
        gate.learn(10)
    assert inside(gate) == 100


def test_small_responses_wait_for_nothing() -> None:
    """The gate costs no turn of the event loop before it is full."""

    async def enter() -> None:
        gate = BodyGate(asyncio.Event(), LIMIT)
        gate.learn(1)
        assert all([await gate.enter(0) for _ in range(500)])
        assert gate.waiting == 0

    asyncio.run(enter())


def test_attempts_come_in_order_and_stop_with_the_run() -> None:
    """Each one that leaves lets the next in; stopping turns the rest away."""

    async def main() -> list[str]:
        stopping, events = asyncio.Event(), list[str]()
        gate = BodyGate(stopping, LIMIT)
        gate.learn(LIMIT)

        async def attempt(name: str) -> None:
            events.append(f"{name} {await gate.enter(0)}")

        tasks = [asyncio.create_task(attempt(name)) for name in "abcd"]
        await asyncio.sleep(0)
        tasks[1].cancel()
        gate.leave()
        await asyncio.sleep(0)
        stopping.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not await gate.enter(0)
        return events

    assert asyncio.run(main()) == ["a True", "c True", "d False"]


@pytest.mark.parametrize(("max_tokens", "number"), [(1, 125), (50, 2), (100, 1), (10**9, 1)])
def test_the_first_burst_fits_by_max_tokens(max_tokens: int, number: int) -> None:
    """Before any response is there; the largest request counts, and one is always let in."""

    async def main() -> None:
        stopping = asyncio.Event()
        gate = BodyGate(stopping, LIMIT)
        sizes = [max_tokens, *(random.Random(1).choices(range(max_tokens + 1), k=199))]
        tasks = [asyncio.create_task(gate.enter(size)) for size in sizes]
        await asyncio.sleep(0)
        assert (gate._inside, gate.waiting) == (number, 200 - number)
        stopping.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())


@given(st.integers(0, 200), st.integers(1, 10**6))
def test_max_tokens_are_forgotten_when_responses_are_small(size: int, max_tokens: int) -> None:
    """After some hundred responses only their size counts; later requests change nothing."""

    async def main() -> None:
        gate = BodyGate(asyncio.Event(), LIMIT)
        for _ in range(600):
            assert await gate.enter(max_tokens)
            gate.learn(size)
            gate.leave()
        assert inside(gate) >= min(200, LIMIT // max(size, 45))

    asyncio.run(main())


@pytest.mark.parametrize("max_tokens", [100, 500, 4000])
def test_the_first_burst_of_a_run_is_bounded(max_tokens: int) -> None:
    """However wide the pace's window is; then as many are in flight as small responses allow."""

    async def main() -> None:
        harness = Harness(api=FakeApi(), limits=LimitsSection(concurrency=20))
        harness.ctx.body_gate.limit_bytes = 4000
        first: list[int] = []
        harness.api.on_send = lambda _: first.append(len(harness.watcher.results))
        await run_workers(LongFeed(100, max_tokens), harness.ctx)
        assert first.count(0) == max(1, 4000 // (8 * max_tokens))
        assert len(harness.recorder.outcomes) == 100

    run(main())


def test_fewer_large_responses_are_in_flight() -> None:
    """Once the first one is back, as many as fit; each is sent and recorded once."""

    async def main() -> None:
        harness = Harness(api=FakeApi(), limits=LimitsSection(concurrency=20))
        harness.api.scripts = {number: [good("x" * 1000)] for number in range(100)}
        harness.ctx.body_gate.limit_bytes = 5000
        harness.ctx.body_gate.learn(1200)
        await run_workers(FakeFeed(100), harness.ctx)
        assert harness.api.max_in_flight == 4
        assert sorted(number for number, _ in harness.api.sent) == list(range(100))
        assert len(harness.recorder.outcomes) == len(harness.watcher.committed) == 100
        assert harness.ctx.body_gate._inside == harness.ctx.body_gate.waiting == 0

    run(main())
