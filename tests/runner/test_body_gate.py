"""The responses that are expected at once fit into memory, and nothing waits forever."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from sending import FakeApi, Harness, good
from test_workers import FakeFeed
from virtual_time import run

from batcher.core.job import LimitsSection
from batcher.runner.sending.body_gate import BodyGate
from batcher.runner.sending.workers import run_workers

LIMIT = 1000


def inside(gate: BodyGate) -> int:
    """Let as many attempts in as there is room for; return how many are inside."""
    while gate._has_room and gate._inside < 200:
        gate._inside += 1
    return gate._inside


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
        assert all([await gate.enter() for _ in range(500)])
        assert gate.waiting == 0

    asyncio.run(enter())


def test_attempts_come_in_order_and_stop_with_the_run() -> None:
    """Each one that leaves lets the next in; stopping turns the rest away."""

    async def main() -> list[str]:
        stopping, events = asyncio.Event(), list[str]()
        gate = BodyGate(stopping, LIMIT)
        gate.learn(LIMIT)

        async def attempt(name: str) -> None:
            events.append(f"{name} {await gate.enter()}")

        tasks = [asyncio.create_task(attempt(name)) for name in "abcd"]
        await asyncio.sleep(0)
        tasks[1].cancel()
        gate.leave()
        await asyncio.sleep(0)
        stopping.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not await gate.enter()
        return events

    assert asyncio.run(main()) == ["a True", "c True", "d False"]


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
