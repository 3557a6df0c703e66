"""Damage to a response that was generated: in its transport, or in its usage."""

import asyncio
import struct
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from batcher.simulator.api_error import ApiError
from batcher.simulator.faults.fault import Fault
from batcher.simulator.wire.connection import Exchange
from batcher.simulator.wire.events import event

JUNK = b"\x00\xff this is not the answer you are looking for"
SLOW_PIECES = 10
HEADER_PIECE = 16_384
READING_S = 0.02
"""The client's time to read before a reset: a reset discards what it has not read yet."""
GZIP_HEADER = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
UNKNOWN_KIND = {"hologram_tokens": 7}
MORE_UNKNOWN_KINDS = {"scent_tokens": 1, "details": {"taste_tokens": 2}}
BAD_SPLIT = {
    "cache_creation_input_tokens": 10,
    "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 3},
}
GATEWAY_PAGE = b"<html><body><h1>The gateway got no answer in time</h1></body></html>"


def damage_message(fault: Fault, message: dict[str, Any]) -> dict[str, Any]:
    """Return the message with the content and the usage that the fault gives it."""
    if fault.kind == "empty_answer":
        return message | {"content": [], "stop_reason": "end_turn"}
    if fault.kind == "usage_missing":
        return {key: value for key, value in message.items() if key != "usage"}
    usage = message["usage"]
    match fault.kind:
        case "usage_empty":
            usage = {}
        case "usage_unknown":
            usage = usage | UNKNOWN_KIND
        case "usage_several_unknown":
            usage = usage | UNKNOWN_KIND | MORE_UNKNOWN_KINDS
        case "usage_zero":
            usage = {"input_tokens": 0, "output_tokens": 0}
        case "usage_huge":
            usage = {"input_tokens": 10**15, "output_tokens": 10**15}
        case "usage_bad_split":
            usage = usage | BAD_SPLIT
    return message | {"usage": usage}


async def send_damaged(
    fault: Fault, exchange: Exchange, headers: Mapping[str, str], pieces: Sequence[bytes]
) -> None:
    """Send the pieces of a body as the fault requires; ``headers`` fit the undamaged body."""
    body = b"".join(pieces)
    match fault.kind:
        case "junk":
            await exchange.reply(200, headers, JUNK)
        case "half_json":
            await exchange.reply(200, headers, body[: len(body) // 2])
        case "wrong_content_type":
            await exchange.reply(200, {**headers, "content-type": "text/html"}, body)
        case "gzip_bomb":
            await exchange.reply(
                200, {**headers, "content-encoding": "gzip"}, _gzipped_spaces(fault.size)
            )
        case "stream_cut":
            await exchange.reply(200, headers, b"".join(pieces[:-1]))
        case "gateway_502" | "gateway_504" | "gateway_524":
            page = {**headers, "content-type": "text/html"}
            await exchange.reply(fault.late_status, page, GATEWAY_PAGE)
        case "stream_error":
            error = event(ApiError(fault.status).as_json(headers["request-id"]))
            half = [*pieces[: max(1, len(pieces) // 2)], error]
            await exchange.reply(200, headers, b"".join(half))
        case _:
            await _send_broken(fault, exchange, headers, body)


async def _send_broken(
    fault: Fault, exchange: Exchange, headers: Mapping[str, str], body: bytes
) -> None:
    """Send a body, with a fault of the connection if there is one."""
    match fault.kind:
        case "hang":
            await exchange.until_disconnected()
        case "reset_billed":
            exchange.reset()
        case "reset_mid_body" | "truncated" | "stall":
            await _send_half(fault, exchange, headers, body)
        case "reset_after":
            await exchange.reply(200, headers, body)
            await asyncio.sleep(READING_S)
            exchange.reset()
        case "slow_body":
            await _send_slowly(fault, exchange, headers, body)
        case "giant_header" | "endless_header":
            await _send_headers(fault, exchange)
        case _:
            await exchange.reply(200, headers, body)


async def _send_half(
    fault: Fault, exchange: Exchange, headers: Mapping[str, str], body: bytes
) -> None:
    await exchange.begin(200, {**headers, "content-length": str(len(body))})
    await exchange.write(body[: len(body) // 2])
    match fault.kind:
        case "stall":
            await exchange.until_disconnected()
        case "truncated":
            exchange.cut()
        case _:
            await asyncio.sleep(READING_S)
            exchange.reset()


async def _send_headers(fault: Fault, exchange: Exchange) -> None:
    """Send headers that a client should refuse, up to the size or until it disconnects."""
    await exchange.write_raw(b"HTTP/1.1 200 OK\r\nx-padding: ")
    piece = b"y" * HEADER_PIECE
    if fault.kind == "endless_header":
        piece += b"\r\nx-padding: "
    sent = 0
    while fault.kind == "endless_header" or sent < fault.size:
        await exchange.write_raw(piece)
        await asyncio.sleep(0)
        sent += len(piece)
    exchange.cut()


async def _send_slowly(
    fault: Fault, exchange: Exchange, headers: Mapping[str, str], body: bytes
) -> None:
    await exchange.begin(200, {**headers, "content-length": str(len(body))})
    step = max(1, -(-len(body) // SLOW_PIECES))
    for start in range(0, len(body), step):
        await asyncio.sleep(fault.seconds / SLOW_PIECES)
        await exchange.write(body[start : start + step])
    await exchange.end()


@cache
def _gzipped_spaces(size: int) -> bytes:
    """Return a gzip member that unpacks to at least ``size`` spaces, without packing them all."""
    block, repeats = b" " * 1_000_000, -(-size // 1_000_000)
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    # After a full flush a segment refers to no earlier data, so it can be repeated.
    segment = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(repeats):
        checksum = zlib.crc32(block, checksum)
    ending = struct.pack("<II", checksum, len(block) * repeats % 2**32)
    return GZIP_HEADER + segment * repeats + packer.flush() + ending
