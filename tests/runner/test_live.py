"""The workers together: everything sent once, drained at a stop, and stopped by a failure."""

import asyncio

import pytest
from sending import FakeRecorder, Stage, errand
from virtual_time import now, run

from batcher.errors import CheckpointError, InputError
from batcher.runner.sending.feed import Errand
from batcher.runner.sending.live import run_live


class FakeFeed:
    """Errands from 0 on; ``fails_at`` raises instead of giving that one."""

    def __init__(self, count: int, fails_at: int | None = None) -> None:
        self._numbers = iter(range(count))
        self._fails_at = fails_at

    async def get(self) -> Errand | None:
        """Give the next."""
        number = next(self._numbers, None)
        if number is not None and number == self._fails_at:
            raise InputError("the input changed")
        return None if number is None else errand(number)


def test_a_run_sends_everything_once_within_its_concurrency() -> None:
    """And returns when every outcome is on the disk."""

    async def main() -> None:
        stage = Stage()
        await run_live(FakeFeed(100), 7, stage.around)
        assert sorted(number for number, _ in stage.api.sent) == list(range(100))
        assert stage.api.most_in_flight == 7
        assert len(stage.recorder.outcomes) == len(stage.watcher.records) == 100

    run(main())


def test_a_stopped_run_drains() -> None:
    """What was in flight is recorded, nothing else is begun."""

    async def main() -> None:
        stage = Stage()
        running = asyncio.create_task(run_live(FakeFeed(100), 7, stage.around))
        await asyncio.sleep(1.5)
        stage.stopping.set()
        await running
        assert len(stage.api.sent) == len(stage.recorder.outcomes) == 14

    run(main())


def test_an_input_that_fails_costs_no_answer() -> None:
    """What is in flight is awaited and recorded before the error is raised, as itself."""

    async def main() -> None:
        stage = Stage()
        with pytest.raises(InputError):
            await run_live(FakeFeed(100, fails_at=10), 7, stage.around)
        assert len(stage.api.sent) == len(stage.recorder.outcomes) == 10
        assert stage.around.in_flight == 0

    run(main())


@pytest.mark.parametrize("fails_after", [0, 3, 4, 7, 30])
def test_a_failed_checkpoint_stops_the_run(fails_after: int) -> None:
    """No request leaves whose intent is not on the disk, and the error is the checkpoint's."""

    async def main() -> None:
        stage = Stage(recorder=FakeRecorder(fails_after))
        with pytest.raises(CheckpointError, match="disk full"):
            await run_live(FakeFeed(1000), 4, stage.around)
        assert len(stage.api.sent) == len(stage.recorder.intents)
        assert len(stage.watcher.records) == len(stage.recorder.outcomes)
        assert now() < 30

    run(main())
