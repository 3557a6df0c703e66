"""The life of a batch through the client, against the simulator over real HTTP."""

import io
import json
from typing import Any

import pytest
from batch_calls import DAY, batch_of, body_of, created, let_pass, with_simulator
from fault_server import CANARY

from batcher.api.batches_client import BatchesClient
from batcher.core.answers.response import Response
from batcher.core.batches.wire import parse_page, parse_result
from batcher.errors import BatcherError
from batcher.simulator.server import Simulator


def test_a_whole_life() -> None:
    """A batch is created, listed, retrieved, read, canceled and deleted."""

    async def life(client: BatchesClient, there: Simulator) -> None:
        first, second = await created(client), await created(client, 5)
        assert (second.total, second.processing_status) == (5, "in_progress")
        page = await client.list_batches()
        assert isinstance(page, Response)
        assert [b.id for b in parse_page(page.body)[0]] == [second.id, first.id]
        newer = await client.list_batches(before_id=first.id, limit=1)
        older = await client.list_batches(after_id=second.id)
        assert [b.id for b in parse_page(newer.body)[0]] == [second.id]
        assert [b.id for b in parse_page(older.body)[0]] == [first.id]
        assert batch_of(await client.cancel(second.id)).cancel_initiated_at is not None
        await let_pass(there)
        ended = batch_of(await client.retrieve(first.id))
        assert ended.has_ended
        async with client.results(first.id, ended.results_url) as results:
            lines = [parse_result(line) async for line in results.lines()]
        assert (results.failure, results.fault, results.too_long) == (None, None, 0)
        assert {line.custom_id for line in lines} == {"r0", "r1", "r2"}
        assert all(json.loads(line.message)["usage"] for line in lines)
        async with client.results(second.id) as results:
            kinds = {parse_result(line).type async for line in results.lines()}
        assert kinds == {"canceled"}
        assert (await client.delete(first.id)).status == 200
        assert (await client.retrieve(first.id)).status == 404
        assert CANARY not in repr(client)

    with_simulator(life)


def test_results_that_are_not_there_yet() -> None:
    """A 404 is a response; some seconds later the results are there."""

    async def read(client: BatchesClient, there: Simulator) -> list[Any]:
        batch = await created(client, 1)
        found = []
        for seconds in (0, 1, DAY):
            await let_pass(there, seconds)
            async with client.results(batch.id) as results:
                lines = [line async for line in results.lines()]
            found.append((results.failure.status if results.failure else 200, len(lines)))
        return found

    settings = {"batch_floor_s": 0, "batch_median_s": 0, "batch_results_after_s": 10}
    assert with_simulator(read, **settings) == [(404, 0), (404, 0), (200, 1)]


def test_only_the_announced_bytes_of_a_file_are_sent() -> None:
    """Where the file stands does not matter, nor does what follows in it."""

    async def create(client: BatchesClient, there: Simulator) -> int:
        body = body_of(4)
        file = io.BytesIO(body + b"more")
        file.seek(7)
        return batch_of(await client.create(file, len(body))).total

    assert with_simulator(create) == 4


class BadFile(io.BytesIO):
    """A file on a broken disk."""

    def read(self, size: int | None = -1) -> bytes:  # noqa: ARG002
        """Fail after the beginning."""
        if self.tell():
            raise OSError(5, "Input/output error")
        return super().read(100)


@pytest.mark.parametrize("file", [BadFile(b"x" * 900), io.BytesIO(b"x" * 800)])
def test_a_file_that_cannot_be_read_creates_nothing(file: io.BytesIO) -> None:
    """The error names the file's problem, and the half request is no batch."""

    async def create(client: BatchesClient, there: Simulator) -> int:
        with pytest.raises(BatcherError, match="temporary file"):
            await client.create(file, 900)
        return len(there.batches())

    assert with_simulator(create) == 0
