"""A client of batches and a simulator in one event loop, for tests."""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from fault_server import CANARY

from batcher.api.batches_client import BatchesClient
from batcher.api.key import Secret
from batcher.core.answers.response import Response
from batcher.core.batches.wire import BatchObject, parse_batch
from batcher.core.job import ApiSection
from batcher.simulator import Settings
from batcher.simulator.server import Simulator

DAY = 86_400
Test = Callable[[BatchesClient, Simulator], Awaitable[Any]]


def body_of(count: int, text: str = "Hello") -> bytes:
    """Return the body of a create with some requests."""
    message = {"role": "user", "content": text}
    params = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [message]}
    requests = [{"custom_id": f"r{number}", "params": params} for number in range(count)]
    return json.dumps({"requests": requests}).encode()


def with_simulator(
    test: Test, *, timeout_s: float = 5.0, idle_s: Decimal = Decimal(5), **settings: Any
) -> Any:
    """Run a test with a client and a simulator whose clock of batches stands still."""

    async def run() -> Any:
        async with Simulator(
            Settings(**({"batch_speed": 0, "batch_spread": 0} | settings))
        ) as there:
            api = ApiSection(base_url=there.url, idle_timeout_s=idle_s)
            return await test(BatchesClient(api, Secret(CANARY), timeout_s=timeout_s), there)

    return asyncio.run(run())


async def created(client: BatchesClient, count: int = 3, text: str = "Hello") -> BatchObject:
    """Create a batch."""
    body = body_of(count, text)
    return batch_of(await client.create(io.BytesIO(body), len(body)))


def batch_of(result: Any) -> BatchObject:
    """Return the batch of a response."""
    assert isinstance(result, Response), result
    assert (result.status, result.fault) == (200, None), result.body
    return parse_batch(result.body)


async def let_pass(there: Simulator, seconds: float = DAY) -> None:
    """Advance the clock of the batches."""
    await there._advance(seconds)
