"""The workers send every request once, drain at a stop, and stop after a failure."""

import asyncio
from itertools import pairwise

import pytest
from sending import COMMIT_S, LATENCY_S, FakeApi, FakeRecorder, Harness, failed, pending
from virtual_time import now, run

from batcher.core.answers.response import Response
from batcher.core.job import LimitsSection
from batcher.core.pace.kinds import Limiter
from batcher.core.pace.suspects import Ruling
from batcher.errors import CheckpointError, InputError
from batcher.runner.sending.context import AttemptResult
from batcher.runner.sending.feed import PendingRequest
from batcher.runner.sending.workers import run_workers


class FakeFeed:
    """Gives requests numbered from 0; number ``fails_at`` raises InputError instead."""

    def __init__(self, count: int, fails_at: int | None = None) -> None:
        self._numbers = iter(range(count))
        self._fails_at = fails_at
        self.taken = 0

    async def get(self) -> PendingRequest | None:
        """Return the next request; None at the end."""
        number = next(self._numbers, None)
        if number is not None and number == self._fails_at:
            raise InputError("the input changed")
        self.taken += 1
        return None if number is None else pending(number)


def test_a_run_sends_everything_once_within_its_concurrency() -> None:
    """At most seven requests are in flight, and every outcome is on the disk at the end."""

    async def main() -> None:
        harness = Harness(limits=LimitsSection(concurrency=7), is_warm=False)
        await run_workers(FakeFeed(100), harness.ctx)
        assert sorted(number for number, _ in harness.api.sent) == list(range(100))
        assert harness.api.max_in_flight == 7
        assert len(harness.recorder.outcomes) == len(harness.watcher.committed) == 100

    run(main())


def test_a_stopped_run_drains() -> None:
    """Requests in flight are recorded, and no new one is sent."""

    async def main() -> None:
        harness = Harness(limits=LimitsSection(concurrency=7))
        running = asyncio.create_task(run_workers(FakeFeed(100), harness.ctx))
        await asyncio.sleep(1.5)
        harness.stopping.set()
        await running
        assert len(harness.api.sent) == len(harness.recorder.outcomes) == 14

    run(main())


def test_an_input_error_loses_no_response() -> None:
    """Requests in flight are recorded before the InputError is raised."""

    async def main() -> None:
        harness = Harness(limits=LimitsSection(concurrency=7))
        with pytest.raises(InputError):
            await run_workers(FakeFeed(100, fails_at=10), harness.ctx)
        assert 7 < len(harness.api.sent) == len(harness.recorder.outcomes) <= 10
        assert harness.ctx.in_flight.attempts == 0

    run(main())


@pytest.mark.parametrize("fails_after", [0, 3, 4, 7, 30])
def test_a_failed_checkpoint_stops_the_run(fails_after: int) -> None:
    """No request is sent without its intent on the disk, and the CheckpointError is raised."""

    async def main() -> None:
        harness = Harness(recorder=FakeRecorder(fails_after), limits=LimitsSection(concurrency=4))
        with pytest.raises(CheckpointError, match="disk full"):
            await run_workers(FakeFeed(1000), harness.ctx)
        assert len(harness.api.sent) == len(harness.recorder.intents)
        assert len(harness.watcher.committed) == len(harness.recorder.outcomes)
        assert now() < 30

    run(main())


def test_workers_start_as_the_window_grows() -> None:
    """Few requests are taken from the feed while one is in flight, because they may be large."""

    async def main() -> None:
        harness = Harness(limits=LimitsSection(concurrency=100), is_warm=False)
        feed = FakeFeed(1000)
        running = asyncio.create_task(run_workers(feed, harness.ctx))
        await asyncio.sleep(0.5)
        assert harness.ctx.in_flight.attempts == 1
        assert feed.taken <= 10
        await running
        assert harness.api.max_in_flight == 100

    run(main())


def test_a_failing_api_gets_few_requests() -> None:
    """After ten failures, single attempts are sent, seconds apart."""

    async def main() -> None:
        harness = Harness(FakeApi({n: [failed(529)] for n in range(1000)}))
        running = asyncio.create_task(run_workers(FakeFeed(1000), harness.ctx))
        await asyncio.sleep(60)
        harness.stopping.set()
        await running
        late = [sent_at for _, sent_at in harness.api.sent if sent_at > 5]
        assert len(late) <= 8
        assert min(after - before for before, after in pairwise(late)) >= 2.5

    run(main())


def test_a_refused_key_costs_one_request() -> None:
    """After a 401 no other request is sent, because none can succeed."""

    async def main() -> None:
        harness = Harness(FakeApi({n: [failed(401)] for n in range(100)}), is_warm=False)

        def stop(_: AttemptResult) -> Ruling:
            harness.stopping.set()
            return Ruling()

        harness.watcher.on_result = stop
        await run_workers(FakeFeed(100), harness.ctx)
        assert len(harness.api.sent) == len(harness.recorder.intents) == 1

    run(main())


@pytest.mark.parametrize(
    ("response", "limiter"),
    [
        (failed(429, retry_after="60"), Limiter.REFUSED),
        (failed(500), Limiter.FAILURES),
        (failed(529, retry_after="60"), Limiter.FAILURES),
    ],
)
def test_the_limiter_of_waiting_workers_is_named(response: Response, limiter: Limiter) -> None:
    """The cause is named while the last rows wait; after a stop it is DRAINING."""

    async def main() -> None:
        harness = Harness(FakeApi({n: [response] for n in range(3)}))
        running = asyncio.create_task(run_workers(FakeFeed(3), harness.ctx))
        await asyncio.sleep(COMMIT_S + LATENCY_S + COMMIT_S)
        assert harness.ctx.limiter is limiter
        harness.stopping.set()
        await asyncio.sleep(0)
        assert harness.ctx.limiter is Limiter.DRAINING
        await running

    run(main())
