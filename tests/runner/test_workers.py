"""The workers together: everything sent once, drained at a stop, and stopped by a failure."""

import asyncio
from itertools import pairwise

import pytest
from sending import COMMIT_S, LATENCY_S, FakeApi, FakeRecorder, Stage, failed, pending
from virtual_time import now, run

from batcher.core.answers.response import Response
from batcher.core.job import LimitsSection
from batcher.core.pace.kinds import Limiter
from batcher.errors import CheckpointError, InputError
from batcher.runner.sending.feed import PendingRequest
from batcher.runner.sending.workers import run_workers


class FakeFeed:
    """Errands from 0 on; ``fails_at`` raises instead of giving that one."""

    def __init__(self, count: int, fails_at: int | None = None) -> None:
        self._numbers = iter(range(count))
        self._fails_at = fails_at
        self.given = 0

    async def get(self) -> PendingRequest | None:
        """Give the next."""
        number = next(self._numbers, None)
        if number is not None and number == self._fails_at:
            raise InputError("the input changed")
        self.given += 1
        return None if number is None else pending(number)


def test_a_run_sends_everything_once_within_its_concurrency() -> None:
    """The first goes alone, seven at once then; it returns when every outcome is on the disk."""

    async def main() -> None:
        stage = Stage(limits=LimitsSection(concurrency=7), is_warm=False)
        await run_workers(FakeFeed(100), stage.ctx)
        assert sorted(number for number, _ in stage.api.sent) == list(range(100))
        assert stage.api.most_in_flight == 7
        assert len(stage.recorder.outcomes) == len(stage.watcher.records) == 100

    run(main())


def test_a_stopped_run_drains() -> None:
    """What was in flight is recorded, nothing else is begun."""

    async def main() -> None:
        stage = Stage(limits=LimitsSection(concurrency=7))
        running = asyncio.create_task(run_workers(FakeFeed(100), stage.ctx))
        await asyncio.sleep(1.5)
        stage.stopping.set()
        await running
        assert len(stage.api.sent) == len(stage.recorder.outcomes) == 14

    run(main())


def test_an_input_that_fails_costs_no_answer() -> None:
    """What is in flight is awaited and recorded before the error is raised, as itself."""

    async def main() -> None:
        stage = Stage(limits=LimitsSection(concurrency=7))
        with pytest.raises(InputError):
            await run_workers(FakeFeed(100, fails_at=10), stage.ctx)
        assert len(stage.api.sent) == len(stage.recorder.outcomes) == 10
        assert stage.ctx.in_flight.attempts == 0

    run(main())


@pytest.mark.parametrize("fails_after", [0, 3, 4, 7, 30])
def test_a_failed_checkpoint_stops_the_run(fails_after: int) -> None:
    """No request leaves whose intent is not on the disk, and the error is the checkpoint's."""

    async def main() -> None:
        stage = Stage(recorder=FakeRecorder(fails_after), limits=LimitsSection(concurrency=4))
        with pytest.raises(CheckpointError, match="disk full"):
            await run_workers(FakeFeed(1000), stage.ctx)
        assert len(stage.api.sent) == len(stage.recorder.intents)
        assert len(stage.watcher.records) == len(stage.recorder.outcomes)
        assert now() < 30

    run(main())


def test_workers_come_as_the_pace_has_use_for_them() -> None:
    """A worker holds a request, which may be large: not a hundred of them while one is out."""

    async def main() -> None:
        stage = Stage(limits=LimitsSection(concurrency=100), is_warm=False)
        feed = FakeFeed(1000)
        running = asyncio.create_task(run_workers(feed, stage.ctx))
        await asyncio.sleep(0.5)
        assert stage.ctx.in_flight.attempts == 1
        assert feed.given <= 10
        await running
        assert stage.api.most_in_flight == 100

    run(main())


def test_a_failing_api_is_not_hammered_by_the_pool() -> None:
    """After ten failures single attempts are sent, seconds apart, however many wait."""

    async def main() -> None:
        stage = Stage(FakeApi({n: [failed(529)] for n in range(1000)}))
        running = asyncio.create_task(run_workers(FakeFeed(1000), stage.ctx))
        await asyncio.sleep(60)
        stage.stopping.set()
        await running
        late = [when for _, when in stage.api.sent if when > 5]
        assert len(late) <= 8
        assert min(b - a for a, b in pairwise(late)) >= 2.5

    run(main())


def test_a_refused_key_costs_one_request() -> None:
    """The first answer says that none can succeed: nobody else is let through, nor leaves later."""

    async def main() -> None:
        stage = Stage(FakeApi({n: [failed(401)] for n in range(100)}), is_warm=False)
        stage.watcher.on_result = lambda _: stage.stopping.set()
        await run_workers(FakeFeed(100), stage.ctx)
        assert len(stage.api.sent) == len(stage.recorder.intents) == 1

    run(main())


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (failed(429, retry_after="60"), Limiter.REFUSED),
        (failed(500), Limiter.FAILURES),
        (failed(529, retry_after="60"), Limiter.FAILURES),
    ],
)
def test_what_the_workers_wait_for_is_named(answer: Response, word: Limiter) -> None:
    """Also when all of them hold the last rows, until the run is stopped: then it drains."""

    async def main() -> None:
        stage = Stage(FakeApi({n: [answer] for n in range(3)}))
        running = asyncio.create_task(run_workers(FakeFeed(3), stage.ctx))
        await asyncio.sleep(COMMIT_S + LATENCY_S + COMMIT_S)
        assert stage.ctx.limiter is word
        stage.stopping.set()
        await asyncio.sleep(0)
        assert stage.ctx.limiter is Limiter.DRAINING
        await running

    run(main())
