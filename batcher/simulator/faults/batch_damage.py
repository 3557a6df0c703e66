"""Damage to the responses of the Message Batches endpoints."""

import asyncio
import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

from batcher.simulator.api_error import ApiError
from batcher.simulator.faults.damage import send_damaged
from batcher.simulator.faults.fault import Fault
from batcher.simulator.wire.connection import Exchange

OTHER_HOST = "http://example.invalid"
BLANK_LINES = b"\n" * 65_536
STRANGER = "nobody-asked-for-this"
HARMLESS = frozenset(
    {
        "slow_body", "reset_after", "wrong_content_type", "gzipped", "line_stranger", "line_twice",
        "line_long", "lines_odd",
    }
)  # fmt: skip
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
        case "line_nan" | "line_bytes":
            return [*lines[:middle], _spoilt(fault, lines[middle]), *lines[middle + 1 :]]
        case "line_long":
            long = json.dumps({"custom_id": STRANGER, "result": "x" * fault.size}).encode()
            return [*lines[:middle], long + b"\n", *lines[middle:]]
        case "lines_odd":
            return _odd(lines)
        case _:
            return lines


def _spoilt(fault: Fault, line: bytes) -> bytes:
    """Return a line whose message is a part of no JSON; the rest of the line is."""
    value = json.loads(line)
    value["result"]["message"] = {"id": float("nan") if fault.kind == "line_nan" else "damage"}
    return json.dumps(value).encode().replace(b"damage", b"\xff\xfe") + b"\n"


def _odd(lines: list[bytes]) -> list[bytes]:
    """Return the same lines as few servers write them, all the same correct."""
    odd = [b"\n \t\r\n"]
    for line in lines:
        value = json.loads(line) | {"\u2028": "\u2029\x85"}
        text = json.dumps(value, ensure_ascii=False).replace('"result": ', '\r"result":\t\r ')
        odd.append(text.encode() + b"\r\n")
    return [*odd[:-1], odd[-1].removesuffix(b"\r\n")]


async def send_batch_damage(
    fault: Fault, exchange: Exchange, headers: Mapping[str, str], pieces: Sequence[bytes]
) -> None:
    """Send the pieces of a body as the fault requires; ``headers`` fit the undamaged body."""
    if fault.kind == "late_error":
        error = ApiError(fault.status, fault.message, code=fault.code)
        body = error.body(headers["request-id"])
        await exchange.reply(error.status, {**headers, "content-type": "application/json"}, body)
    elif fault.kind == "lines_endless":
        await _send_endless(exchange, headers, pieces)
    elif fault.kind in ("gzipped", "gzip_cut"):
        packed = gzip.compress(b"".join(pieces), 1)
        packed = packed if fault.kind == "gzipped" else packed[: len(packed) // 2]
        await exchange.reply(200, {**headers, "content-encoding": "gzip"}, packed)
    elif fault.kind in ONLY_IN_STREAMS:
        await send_damaged(Fault("truncated"), exchange, headers, pieces)
    else:
        await send_damaged(fault, exchange, headers, pieces)


async def _send_endless(
    exchange: Exchange, headers: Mapping[str, str], pieces: Sequence[bytes]
) -> None:
    """Send blank lines after the body until the client disconnects."""
    await exchange.begin(200, headers)
    await exchange.write(b"".join(pieces))
    while True:
        await exchange.write(BLANK_LINES)
        await asyncio.sleep(0)
