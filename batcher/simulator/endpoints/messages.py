"""POST /v1/messages: one message, as a whole or as a stream."""

import asyncio
from collections.abc import Iterator

from batcher.simulator.answering import BilledAnswer, Reader
from batcher.simulator.billing.ledger import Entry
from batcher.simulator.endpoints.body import read_body
from batcher.simulator.endpoints.failing import send_failure
from batcher.simulator.endpoints.service import Service
from batcher.simulator.faults.damage import damage_message, send_damaged
from batcher.simulator.faults.fault import Fault
from batcher.simulator.json_body import Body, as_json
from batcher.simulator.model.seeded_random import SeededRandom
from batcher.simulator.validation.headers import betas, version, workspace_of
from batcher.simulator.validation.message import check_message
from batcher.simulator.wire.connection import Exchange
from batcher.simulator.wire.events import stream

ONLY_IN_STREAMS = ("stream_cut", "stream_error")
STREAM_PAUSES = 20


async def create_message(service: Service, exchange: Exchange, entry: Entry) -> None:
    """Answer one request and fill in its ledger entry; raise ``ApiError`` for what is refused."""
    body = read_body(exchange.request)
    entry.key = body.key
    entry.model = body.value["model"] if isinstance(body.value.get("model"), str) else None
    fault = service.schedule.next(body.key, exchange.request.body)
    if fault is not None and not fault.is_billed:
        await send_failure(service, fault, exchange, entry)
        return
    billed = _answer(service, exchange, body)
    entry.usage = billed.usage
    entry.model = billed.model.id
    entry.cost = billed.cost
    entry.status = 200 if fault is None else fault.late_status
    if fault is not None:
        entry.outcome = fault.kind
    await _deliver(service, billed, fault, exchange, entry)
    if fault is None:
        entry.outcome = "answered"
    entry.is_written = exchange.is_written


def _answer(service: Service, exchange: Exchange, body: Body) -> BilledAnswer:
    """Check the request, count its tokens, apply the limits and generate the answer.

    Nothing is charged when this raises.
    """
    headers = exchange.request.headers
    answers = service.answers
    model = check_message(body.value, version(headers), betas(headers), answers.model)
    service.credit.check()
    now = service.clock()
    reader = Reader(now, workspace_of(headers, service.settings.other_workspace_prefix))
    prompt = answers.read_prompt(body, model, service.cache, reader)
    limits = service.limits(model.limit_group)
    limits.admit(prompt.tokens - prompt.plan.read, now)
    service.cache.begin(prompt.plan, now)
    billed = answers.answer(prompt)
    service.credit.charge(billed.cost)
    limits.charge_output(billed.answer.output_tokens)
    return billed


async def _deliver(
    service: Service, billed: BilledAnswer, fault: Fault | None, exchange: Exchange, entry: Entry
) -> None:
    limits = service.limits(billed.model.limit_group)
    headers = service.headers(entry.request_id) | limits.headers(service.clock())
    message = billed.message(service.answers.new_id("msg"))
    is_stream = bool(billed.body.value.get("stream"))
    headers["content-type"] = "text/event-stream" if is_stream else "application/json"
    if fault is not None:
        message = damage_message(fault, message)
    pieces = list(stream(message)) if is_stream else [as_json(message)]
    to_first_token, to_last_token = waits(service, billed)
    await asyncio.sleep(to_first_token if is_stream else to_first_token + to_last_token)
    service.cache.answered(billed.plan)
    if fault is not None:
        if fault.kind in ONLY_IN_STREAMS and not is_stream:
            fault = Fault("truncated")
        await send_damaged(fault, exchange, headers, pieces)
    elif not is_stream:
        await exchange.reply(200, headers, pieces[0])
    else:
        await exchange.begin(200, headers)
        await _write_stream(exchange, pieces, to_last_token)


def waits(service: Service, billed: BilledAnswer) -> tuple[float, float]:
    """Return the seconds to the first token, and the seconds from there to the last one."""
    settings = service.settings
    if settings.latency == 0:
        return 0.0, 0.0
    rng = SeededRandom(settings.seed, "latency", billed.body.key)
    first = settings.ttft_s * 3 ** (2 * rng.fraction() - 1)
    rest = billed.answer.output_tokens / settings.tokens_per_s * (0.7 + 0.6 * rng.fraction())
    if billed.usage.speed == "fast":
        rest /= 2.5
    return first * settings.latency, rest * settings.latency


async def _write_stream(exchange: Exchange, pieces: list[bytes], seconds: float) -> None:
    if seconds == 0:
        await exchange.write(b"".join(pieces))
    else:
        for group in _groups(pieces, STREAM_PAUSES):
            await exchange.write(group)
            await asyncio.sleep(seconds / STREAM_PAUSES)
    await exchange.end()


def _groups(pieces: list[bytes], count: int) -> Iterator[bytes]:
    step = max(1, -(-len(pieces) // count))
    for start in range(0, len(pieces), step):
        yield b"".join(pieces[start : start + step])
