"""Damage to the responses of the Message Batches endpoints."""

import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

from batcher.simulator.api_error import ApiError
from batcher.simulator.faults.damage import send_damaged
from batcher.simulator.faults.fault import Fault
from batcher.simulator.wire.connection import Exchange

OTHER_HOST = "http://example.invalid"
STRANGER = "nobody-asked-for-this"
HARMLESS = frozenset(
    {"slow_body", "reset_after", "wrong_content_type", "gzipped", "line_stranger", "line_twice"}
)
"""The kinds that leave all results readable."""
ONLY_IN_STREAMS = ("stream_cut", "stream_error")


def damage_batches(fault: Fault, value: dict[str, Any]) -> dict[str, Any]:
    """Return a batch, or a page of batches, with the ``results_url`` that the fault gives it."""
    if fault.kind != "foreign_results_url":
        return value
    if "data" in value:
        return value | {"data": [damage_batches(fault, batch) for batch in value["data"]]}
    if not value.get("results_url"):
        return value
    path = value["results_url"].split("/", 3)[3]
    return value | {"results_url": f"{OTHER_HOST}/{path}"}


def damage_lines(fault: Fault, lines: list[bytes]) -> list[bytes]:
    """Return the lines of results with the damage of the fault."""
    middle = len(lines) // 2
    match fault.kind:
        case "line_junk":
            return [*lines[:middle], b'{"custom_id": \xff\n', *lines[middle:]]
        case "line_missing":
            return lines[:-1]
        case "line_stranger":
            stranger = json.loads(lines[middle]) | {"custom_id": STRANGER}
            return [*lines[:middle], json.dumps(stranger).encode() + b"\n", *lines[middle:]]
        case "line_twice":
            return [*lines, lines[0]]
        case _:
            return lines


async def send_batch_damage(
    fault: Fault, exchange: Exchange, headers: Mapping[str, str], pieces: Sequence[bytes]
) -> None:
    """Send the pieces of a body as the fault requires; ``headers`` fit the undamaged body."""
    if fault.kind == "late_error":
        error = ApiError(fault.status, fault.message, code=fault.code)
        body = error.body(headers["request-id"])
        await exchange.reply(error.status, {**headers, "content-type": "application/json"}, body)
    elif fault.kind == "gzipped":
        packed = gzip.compress(b"".join(pieces), 1)
        await exchange.reply(200, {**headers, "content-encoding": "gzip"}, packed)
    elif fault.kind in ONLY_IN_STREAMS:
        await send_damaged(Fault("truncated"), exchange, headers, pieces)
    else:
        await send_damaged(fault, exchange, headers, pieces)
