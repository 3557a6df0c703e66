"""POST /v1/messages: one message, as a whole or as a stream."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from batcher.simulator.api_error import ApiError
from batcher.simulator.billing.ledger import Entry
from batcher.simulator.billing.model_table import Model
from batcher.simulator.billing.prompt_cache import Plan
from batcher.simulator.billing.prompt_tokens import Segment, prompt_tokens, segments
from batcher.simulator.billing.usage import Usage, price
from batcher.simulator.endpoints.body import Body, read_body
from batcher.simulator.endpoints.service import Service, as_json
from batcher.simulator.faults.damage import damage_message, send_damaged
from batcher.simulator.faults.failure import api_error, fail
from batcher.simulator.faults.fault import Fault
from batcher.simulator.model.answer import Answer, ModelInput, generate_answer
from batcher.simulator.model.seeded_random import SeededRandom
from batcher.simulator.validation.headers import betas, version
from batcher.simulator.validation.message import check_message
from batcher.simulator.wire.connection import Exchange
from batcher.simulator.wire.events import stream

ONLY_IN_STREAMS = ("stream_cut", "stream_error")
STREAM_PAUSES = 20


@dataclass(frozen=True, slots=True)
class BilledAnswer:
    """The answer to one valid request, with its cache plan and its usage."""

    body: Body
    model: Model
    answer: Answer
    plan: Plan
    usage: Usage


async def create_message(service: Service, exchange: Exchange, entry: Entry) -> None:
    """Answer one request and fill in its ledger entry; raise ``ApiError`` for what is refused."""
    body = read_body(exchange.request)
    entry.key = body.key
    entry.model = body.value["model"] if isinstance(body.value.get("model"), str) else None
    fault = service.schedule.next(body.key, exchange.request.body)
    if fault is not None and not fault.is_billed:
        await _send_failure(service, fault, exchange, entry)
        return
    billed = _answer(service, exchange, body)
    entry.usage = billed.usage
    entry.model = billed.model.id
    entry.cost = price(billed.model, billed.usage) * (not billed.answer.is_free)
    entry.status = 200
    if fault is not None:
        entry.outcome = fault.kind
    await _deliver(service, billed, fault, exchange, entry)
    if fault is None:
        entry.outcome = "answered"
    entry.is_written = exchange.is_written


async def _send_failure(service: Service, fault: Fault, exchange: Exchange, entry: Entry) -> None:
    entry.outcome = fault.kind
    error = api_error(fault)
    if error is None:
        entry.status = await fail(fault, exchange, service.headers(entry.request_id))
        return
    entry.status = error.status
    headers = service.headers(entry.request_id) | error.headers
    headers["content-type"] = "application/json"
    await exchange.reply(error.status, headers, error.body(entry.request_id))


def _answer(service: Service, exchange: Exchange, body: Body) -> BilledAnswer:
    """Check the request, count its tokens, apply the limits and generate the answer.

    Nothing is charged when this raises.
    """
    headers = exchange.request.headers
    model = check_message(body.value, version(headers), betas(headers), service.model)
    parts = segments(body.value, model)
    tokens = prompt_tokens(parts)
    if tokens > model.context_window:
        raise ApiError(400, f"prompt is too long: {tokens} tokens > {model.context_window} maximum")
    now = service.clock()
    plan = _cache_plan(service, body.value, model, parts, now)
    limits = service.limits(model.limit_group)
    limits.admit(tokens - plan.read, now)
    service.cache.begin(plan, now)
    key = body.unmarked_key
    available_tokens = model.context_window - tokens
    request = ModelInput(body.value, model, key, available_tokens, service.count_repetition(key))
    answer = generate_answer(request, service.behaviour, service.settings.seed)
    limits.charge_output(answer.output_tokens)
    return BilledAnswer(body, model, answer, plan, _usage(body.value, model, plan, answer))


def _cache_plan(
    service: Service, body: dict[str, Any], model: Model, parts: list[Segment], now: float
) -> Plan:
    # Thinking and effort start a new prefix; the format is part of the first segment.
    config = body.get("output_config") or {}
    space = [model.id, body.get("speed") or "standard", body.get("thinking"), config.get("effort")]
    return service.cache.plan(parts, space, model.min_cacheable_tokens, now)


def _usage(body: dict[str, Any], model: Model, plan: Plan, answer: Answer) -> Usage:
    is_fast = body.get("speed") == "fast" and model.fast_rates is not None
    return Usage(
        input=plan.uncached,
        output=answer.output_tokens,
        write_5m=plan.write_5m,
        write_1h=plan.write_1h,
        read=plan.read,
        thinking=answer.thinking_tokens,
        inference_geo=body.get("inference_geo") or "global",
        speed="fast" if is_fast else "standard",
    )


def _message(service: Service, billed: BilledAnswer) -> dict[str, Any]:
    return {
        "id": service.new_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": billed.model.id,
        "content": list(billed.answer.content),
        "stop_reason": billed.answer.stop_reason,
        "stop_sequence": billed.answer.stop_sequence,
        "stop_details": billed.answer.stop_details,
        "container": None,
        "diagnostics": None,
        "usage": billed.usage.as_json(),
    }


async def _deliver(
    service: Service, billed: BilledAnswer, fault: Fault | None, exchange: Exchange, entry: Entry
) -> None:
    limits = service.limits(billed.model.limit_group)
    headers = service.headers(entry.request_id) | limits.headers(service.clock())
    message = _message(service, billed)
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
