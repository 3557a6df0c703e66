"""The simulator's own endpoints, for tests: what it received and what it billed."""

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
    """GET /_simulator/ledger (totals) and /_simulator/ledger/requests (JSON lines).

    With a query such as ``?answered=50`` the totals come as soon as there are at least 50 answers,
    and after ten seconds in any case.
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
    """Wait until the totals are at least what the query says; ignore what is no count."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LONGEST_WAIT_S):
            for name, count in parse_qsl(query):
                if name in COUNTS and count.isdecimal():
                    await service.ledger.wait_until(name, int(count))
