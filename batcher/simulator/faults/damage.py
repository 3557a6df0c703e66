"""Damage to an answer the model gave: on the wire, or in its usage."""

import asyncio
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from batcher.simulator.errors import ApiError
from batcher.simulator.faults.fault import Fault
from batcher.simulator.wire.connection import Exchange
from batcher.simulator.wire.events import event

JUNK = b"\x00\xff this is not the answer you are looking for"
SLOW_PIECES = 10
GZIP = 31
UNKNOWN_KIND = {"hologram_tokens": 7}


def damage_message(fault: Fault, message: dict[str, Any]) -> dict[str, Any]:
    """Change the usage of a message, for the kinds that do that."""
    match fault.kind:
        case "usage_missing":
            return {key: value for key, value in message.items() if key != "usage"}
        case "usage_empty":
            return message | {"usage": {}}
        case "usage_unknown":
            return message | {"usage": message["usage"] | UNKNOWN_KIND}
        case _:
            return message


async def send_damaged(
    fault: Fault, exchange: Exchange, headers: Mapping[str, str], pieces: Sequence[bytes]
) -> None:
    """Send the pieces of a body, or not, the way the fault says; ``headers`` fit the pieces."""
    body = b"".join(pieces)
    match fault.kind:
        case "hang":
            await exchange.until_gone()
        case "reset_mid_body" | "truncated":
            await _half(fault, exchange, headers, body)
        case "slow_body":
            await _slowly(fault, exchange, headers, body)
        case "junk":
            await exchange.reply(200, headers, JUNK)
        case "wrong_content_type":
            await exchange.reply(200, {**headers, "content-type": "text/html"}, body)
        case "gzip_bomb":
            await exchange.reply(200, {**headers, "content-encoding": "gzip"}, _packed(fault.size))
        case "stream_cut":
            await exchange.reply(200, headers, b"".join(pieces[:-1]))
        case "stream_error":
            error = event(ApiError(fault.status).as_json(headers["request-id"]))
            half = [*pieces[: max(1, len(pieces) // 2)], error]
            await exchange.reply(200, headers, b"".join(half))
        case _:
            await exchange.reply(200, headers, body)


async def _half(fault: Fault, exchange: Exchange, headers: Mapping[str, str], body: bytes) -> None:
    await exchange.begin(200, {**headers, "content-length": str(len(body))})
    await exchange.write(body[: len(body) // 2])
    if fault.kind == "truncated":
        exchange.cut()
        return
    # A reset throws away what the client has not read yet: let it read the half first.
    await asyncio.sleep(0.02)
    exchange.reset()


async def _slowly(
    fault: Fault, exchange: Exchange, headers: Mapping[str, str], body: bytes
) -> None:
    await exchange.begin(200, {**headers, "content-length": str(len(body))})
    step = max(1, -(-len(body) // SLOW_PIECES))
    for start in range(0, len(body), step):
        await asyncio.sleep(fault.seconds / SLOW_PIECES)
        await exchange.write(body[start : start + step])
    await exchange.end()


@cache
def _packed(size: int) -> bytes:
    """One gzip member that unpacks to at least so many spaces."""
    packer = zlib.compressobj(9, wbits=GZIP)
    block = b" " * 1_000_000
    parts = [packer.compress(block) for _ in range(-(-size // len(block)))]
    return b"".join(parts) + packer.flush()
