"""The simulator's own endpoints for tests: what it received and what it billed."""

import asyncio
from contextlib import suppress
from urllib.parse import parse_qsl

from batcher.simulator.api_error import ApiError
from batcher.simulator.endpoints.service import Service, as_json
from batcher.simulator.wire.connection import Exchange

LONGEST_WAIT_S = 10.0
COUNTS = ("requests", "in_flight", "answered", "written")
"""The totals that a client can wait for."""


async def control(service: Service, exchange: Exchange) -> None:
    """Respond to /_simulator/ledger (totals) and /_simulator/ledger/requests (JSON lines).

    A query such as ``?answered=50`` delays the totals until 50 requests are answered, for at most
    ``LONGEST_WAIT_S``.
    """
    match exchange.request.path:
        case "/_simulator/ledger":
            await _wait(service, exchange.request.query)
            body = as_json(service.ledger.totals())
            await exchange.reply(200, {"content-type": "application/json"}, body)
        case "/_simulator/ledger/requests":
            lines = "".join(service.ledger.lines()).encode()
            await exchange.reply(200, {"content-type": "application/x-jsonl"}, lines)
        case _:
            error = ApiError(404)
            headers = {"content-type": "application/json"}
            await exchange.reply(404, headers, error.body(service.new_id("req")))


async def _wait(service: Service, query: str) -> None:
    """Wait until the totals reach the numbers in the query; ignore other parameters."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LONGEST_WAIT_S):
            for name, count in parse_qsl(query):
                if name in COUNTS and count.isdecimal():
                    await service.ledger.wait_until(name, int(count))
