"""The first request of a prefix is sent alone, the others once its response has begun."""

import asyncio
from collections.abc import Sequence

import pytest
from virtual_time import now, run

from batcher.runner.sending.cache_gate import CacheGate, CachePermit

A, B, C = b"a", b"b", b"c"
RESPONSE_S = 10.0
FIRST_BYTE_S = 2.0


class Worker:
    """Sends attempts to a server whose responses begin after two seconds and end after ten."""

    def __init__(self) -> None:
        self.cache_gate = CacheGate(None, now)
        self.stopping = asyncio.Event()
        self.sent: list[tuple[int, float, bool]] = []
        self.failures: set[int] = set()

    async def send(self, number: int, prefixes: Sequence[bytes]) -> CachePermit | None:
        """Send one attempt, which fails when its number is among the failures."""
        cache_permit = await self.cache_gate.admit(prefixes, self.stopping)
        if cache_permit is None:
            return None
        with cache_permit:
            cache_permit.sent()
            self.sent.append((number, now(), cache_permit.leads))
            await asyncio.sleep(FIRST_BYTE_S)
            if number not in self.failures:
                cache_permit.begun()
                await asyncio.sleep(RESPONSE_S - FIRST_BYTE_S)
        return cache_permit

    async def all_at_once(self, *prefixes: Sequence[bytes]) -> None:
        """Send one attempt for each of these prefixes, numbered from 0."""
        await asyncio.gather(*(self.send(number, names) for number, names in enumerate(prefixes)))


def test_followers_are_sent_as_soon_as_the_response_has_begun() -> None:
    """Followers do not wait for the end of the response; a request without a prefix never waits."""

    async def main() -> None:
        worker = Worker()
        await worker.all_at_once((A,), (A,), (A,), ())
        assert worker.sent == [(0, 0.0, True), (3, 0.0, False), (1, 2.0, False), (2, 2.0, False)]
        assert worker.cache_gate.waiting == 0

    run(main())


def test_when_a_leader_fails_exactly_one_other_attempt_leads() -> None:
    """After a failure one attempt leads, and the others wait for it."""

    async def main() -> None:
        worker = Worker()
        worker.failures = {0, 1}
        await worker.all_at_once(*[(A,)] * 5)
        assert [sent_at for _, sent_at, _ in worker.sent] == [0.0, 2.0, 4.0, 6.0, 6.0]
        assert [leads for _, _, leads in worker.sent] == [True, True, True, False, False]

    run(main())


def test_other_groups_wait_only_for_the_common_prefix() -> None:
    """Once the common prefix is cached, each group has its own leader."""

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


def test_waiting_attempts_are_counted() -> None:
    """``waiting`` is the number of attempts that wait for a leader."""

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
    """After a stop no waiting attempt is sent, and a new one is refused at once."""

    async def main() -> None:
        worker = Worker()
        sending = asyncio.create_task(worker.all_at_once(*[(A,)] * 5))
        await asyncio.sleep(1.0)
        worker.stopping.set()
        assert await worker.send(9, (B,)) is None
        await sending
        assert [number for number, _, _ in worker.sent] == [0]
        assert now() == RESPONSE_S

    run(main())


@pytest.mark.parametrize("cancelled", ["leader", "follower"])
def test_a_cancelled_worker_does_not_block_the_others(cancelled: str) -> None:
    """The permit of a cancelled leader and the wait of a cancelled follower end with them."""

    async def main() -> None:
        worker = Worker()
        tasks = [asyncio.create_task(worker.send(n, (A,))) for n in range(3)]
        await asyncio.sleep(1.0)
        tasks[0 if cancelled == "leader" else 1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert len(worker.sent) == (3 if cancelled == "leader" else 2)
        assert worker.cache_gate.waiting == 0

    run(main())


def test_a_response_that_has_begun_cannot_fail_later() -> None:
    """A stream that has begun has written the cache entry, however it ends."""

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


def test_the_lifetime_of_an_entry_counts_from_the_send() -> None:
    """A pause between the permit and the send does not shorten the lifetime of the entry."""

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
