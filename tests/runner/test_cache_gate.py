"""In virtual time: the first request of a prefix goes alone, the rest when its answer has begun."""

import asyncio
from collections.abc import Sequence

import pytest
from virtual_time import now, run

from batcher.runner.sending.cache_gate import CacheGate, CachePermit

A, B, C = b"a", b"b", b"c"
ANSWER_S = 10.0
BEGINS_S = 2.0


class Worker:
    """Attempts against a server that begins to answer after two seconds and ends after ten."""

    def __init__(self) -> None:
        self.cache_gate = CacheGate(None, now)
        self.stopping = asyncio.Event()
        self.sent: list[tuple[int, float, bool]] = []
        self.failures: set[int] = set()

    async def send(self, number: int, prefixes: Sequence[bytes]) -> CachePermit | None:
        """One attempt, which fails when its number is among the failures."""
        cache_permit = await self.cache_gate.admit(prefixes, self.stopping)
        if cache_permit is None:
            return None
        with cache_permit:
            cache_permit.sent()
            self.sent.append((number, now(), cache_permit.leads))
            await asyncio.sleep(BEGINS_S)
            if number not in self.failures:
                cache_permit.begun()
                await asyncio.sleep(ANSWER_S - BEGINS_S)
        return cache_permit

    async def all_at_once(self, *prefixes: Sequence[bytes]) -> None:
        """As many attempts, numbered from 0."""
        await asyncio.gather(*(self.send(n, names) for n, names in enumerate(prefixes)))


def test_the_rest_follows_as_soon_as_the_answer_has_begun() -> None:
    """Not when it has ended; and what has no prefix waits for nothing."""

    async def main() -> None:
        worker = Worker()
        await worker.all_at_once((A,), (A,), (A,), ())
        assert worker.sent == [(0, 0.0, True), (3, 0.0, False), (1, 2.0, False), (2, 2.0, False)]
        assert worker.cache_gate.waiting == 0

    run(main())


def test_when_a_leader_fails_exactly_one_other_leads() -> None:
    """And the rest goes on waiting, for that one."""

    async def main() -> None:
        worker = Worker()
        worker.failures = {0, 1}
        await worker.all_at_once(*[(A,)] * 5)
        assert [when for _, when, _ in worker.sent] == [0.0, 2.0, 4.0, 6.0, 6.0]
        assert [leads for _, _, leads in worker.sent] == [True, True, True, False, False]

    run(main())


def test_other_groups_wait_for_the_common_prefix_only() -> None:
    """Then each has a leader of its own, beside the others."""

    async def main() -> None:
        worker = Worker()
        await worker.all_at_once((A, B), (A, B), (A, C), (A, C))
        assert worker.sent == [
            (0, 0.0, True),
            (1, 2.0, False),
            (2, 2.0, True),
            (3, 4.0, False),
        ]

    run(main())


def test_it_is_known_how_many_wait() -> None:
    """That is what limits the pace then."""

    async def main() -> None:
        worker = Worker()
        sending = asyncio.create_task(worker.all_at_once(*[(A,)] * 5))
        await asyncio.sleep(1.0)
        assert worker.cache_gate.waiting == 4
        await asyncio.sleep(2.0)
        assert worker.cache_gate.waiting == 0
        await sending

    run(main())


def test_a_stop_ends_the_waits_with_the_leader() -> None:
    """Nobody who waited is sent; a new one is not even asked to wait."""

    async def main() -> None:
        worker = Worker()
        sending = asyncio.create_task(worker.all_at_once(*[(A,)] * 5))
        await asyncio.sleep(1.0)
        worker.stopping.set()
        assert await worker.send(9, (B,)) is None
        await sending
        assert [number for number, _, _ in worker.sent] == [0]
        assert now() == ANSWER_S

    run(main())


@pytest.mark.parametrize("who", ["leader", "waiting"])
def test_a_cancelled_worker_holds_nobody_up(who: str) -> None:
    """Its lease ends with it; its place in the queue, too."""

    async def main() -> None:
        worker = Worker()
        tasks = [asyncio.create_task(worker.send(n, (A,))) for n in range(3)]
        await asyncio.sleep(1.0)
        tasks[0 if who == "leader" else 1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert len(worker.sent) == (3 if who == "leader" else 2)
        assert worker.cache_gate.waiting == 0

    run(main())


def test_only_the_first_word_about_an_attempt_counts() -> None:
    """A stream that has begun has written the entry, whatever becomes of it."""

    async def main() -> None:
        cache_gate, stopping = CacheGate(None, now), asyncio.Event()
        cache_permit = await cache_gate.admit((A,), stopping)
        assert cache_permit is not None
        cache_permit.begun()
        cache_permit.close()
        cache_permit.begun()
        follower = await cache_gate.admit((A,), stopping)
        assert follower is not None
        assert not follower.leads

    run(main())


def test_a_lifetime_counts_from_when_the_attempt_leaves() -> None:
    """What was paced for minutes after it was let through does not expire in between."""

    async def main() -> None:
        cache_gate, stopping = CacheGate(None, now), asyncio.Event()
        cache_permit = await cache_gate.admit((A,), stopping)
        assert cache_permit is not None
        await asyncio.sleep(200.0)
        cache_permit.sent()
        cache_permit.begun()
        await asyncio.sleep(250.0)
        again = await cache_gate.admit((A,), stopping)
        assert again is not None
        assert (again.leads, again.ttl) == (False, "5m")
        again.sent()
        again.begun()
        await asyncio.sleep(400.0)
        late = await cache_gate.admit((A,), stopping)
        assert late is not None
        assert (late.leads, late.ttl) == (True, "1h")

    run(main())
