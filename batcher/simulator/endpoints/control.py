"""The simulator's own endpoints for tests: what it received and billed, and the batches' clock."""

import asyncio
import json
from contextlib import suppress
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from batcher.simulator.api_error import ApiError
from batcher.simulator.batches.clock import rfc3339
from batcher.simulator.billing.ledger import exact
from batcher.simulator.endpoints.service import Service
from batcher.simulator.json_body import as_json
from batcher.simulator.wire.connection import Exchange, Request

LONGEST_WAIT_S = 10.0
COUNTS = ("requests", "in_flight", "answered", "written")
"""The totals that a client can wait for."""
REQUESTS = "/_simulator/ledger/requests"
CLOCK = ("advance_s", "speed")
JSON_TYPE = {"content-type": "application/json"}


async def control(service: Service, exchange: Exchange) -> None:
    """Respond to the paths of ``/_simulator/``.

    - ``ledger`` are the totals. A query such as ``?answered=50`` delays them until 50 requests are
      answered, for at most ``LONGEST_WAIT_S``. ``ledger/requests`` are the entries as JSON lines.
    - ``batches`` is a list of what became of each batch.
    - ``clock`` is the clock of the batches. A body with ``advance_s`` or ``speed`` changes it; the
      response comes when all that is due then is processed.
    - ``credit`` is what is left of the credit. A body with ``add_usd`` adds to it.
    """
    headers = JSON_TYPE
    try:
        status, body = 200, await _response(service, exchange.request)
    except ApiError as error:
        status, body = error.status, error.body(service.answers.new_id("req"))
    if exchange.request.path == REQUESTS and status == 200:
        headers = {"content-type": "application/x-jsonl"}
    await exchange.reply(status, headers, body)


async def _response(service: Service, request: Request) -> bytes:
    match request.path:
        case "/_simulator/ledger":
            await _wait(service, request.query)
            return as_json(service.ledger.totals())
        case "/_simulator/ledger/requests":
            return "".join(service.ledger.lines()).encode()
        case "/_simulator/batches":
            return as_json({"data": service.batches.records()})
        case "/_simulator/clock":
            return as_json(await _clock(service, request.body))
        case "/_simulator/credit":
            return as_json(_credit(service, request.body))
        case _:
            raise ApiError(404)


async def _clock(service: Service, body: bytes) -> dict[str, Any]:
    changes = _values(body, CLOCK)
    clock, processing = service.batches.clock, service.batches.processing
    if "speed" in changes:
        clock.set_speed(_number(changes["speed"]))
    if "advance_s" in changes:
        clock.advance(_number(changes["advance_s"]))
    if changes:
        processing.wake()
        await processing.catch_up()
    now = clock.now()
    return {"now": rfc3339(now), "now_s": now, "speed": clock.speed}


def _credit(service: Service, body: bytes) -> dict[str, Any]:
    changes = _values(body, ("add_usd",))
    if "add_usd" in changes:
        service.credit.add(Decimal(str(_number(changes["add_usd"]))))
    left = service.credit.left
    return {"left_usd": None if left is None else exact(left)}


def _values(body: bytes, known: tuple[str, ...]) -> dict[str, Any]:
    try:
        values = json.loads(body or b"{}")
    except ValueError as error:
        raise ApiError(400, f"The request body is not valid JSON: {error}") from error
    if not isinstance(values, dict) or not set(values) <= set(known):
        raise ApiError(400, f"The body must be an object with {' or '.join(known)}")
    return values


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        raise ApiError(400, f"{value!r} is not a number of at least 0")
    return value


async def _wait(service: Service, query: str) -> None:
    """Wait until the totals reach the numbers in the query; ignore other parameters."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LONGEST_WAIT_S):
            for name, count in parse_qsl(query):
                if name in COUNTS and count.isdecimal():
                    await service.ledger.wait_until(name, int(count))
