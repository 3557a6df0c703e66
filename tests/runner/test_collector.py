"""Collecting the results of a batch when the checkpoint cannot be written."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from batcher.errors import CheckpointError
from batcher.runner.batches.collector import Collector


def test_a_result_that_cannot_be_recorded_ends_the_collecting() -> None:
    """The error is raised, instead of waiting for a record that never comes."""

    async def collect() -> None:
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(CheckpointError("the disk is full"))
        in_flight = SimpleNamespace(unrecorded={failed: None})
        batches = cast("Any", SimpleNamespace(ctx=SimpleNamespace(in_flight=in_flight)))
        collector = Collector(batches, lambda: False, None)
        async with asyncio.timeout(5):
            await collector._until_recorded(0)

    with pytest.raises(CheckpointError, match="the disk is full"):
        asyncio.run(collect())
