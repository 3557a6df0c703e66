"""A message as the server-sent events of a stream."""

import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
CHARACTERS_PER_DELTA = 40
PROVISIONAL_OUTPUT_TOKENS = 1


def event(payload: Json) -> bytes:
    """Return one event; the payload's type is its name."""
    data = json.dumps(payload, ensure_ascii=False)
    return f"event: {payload['type']}\ndata: {data}\n\n".encode(errors="surrogatepass")


def stream(message: Json) -> Iterator[bytes]:
    """Yield all events of a message in order."""
    yield event({"type": "message_start", "message": _start(message)})
    yield event({"type": "ping"})
    for index, block in enumerate(message["content"]):
        yield from _block(index, block)
    delta = {key: message[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
    delta["container"] = None
    usage = message.get("usage", {})
    totals = {
        key: usage[key]
        for key in (
            "input_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
            "server_tool_use",
            "output_tokens",
            "output_tokens_details",
        )
        if key in usage
    }
    ending = {"type": "message_delta", "delta": delta}
    yield event(ending | {"usage": totals} if "usage" in message else ending)
    yield event({"type": "message_stop"})


def _start(message: Json) -> Json:
    empty: Json = {"content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    if "usage" in message:
        usage = dict(message["usage"])
        usage.pop("output_tokens_details", None)
        if "output_tokens" in usage:
            usage["output_tokens"] = min(PROVISIONAL_OUTPUT_TOKENS, usage["output_tokens"])
        empty["usage"] = usage
    return message | empty


def _block(index: int, block: Json) -> Iterator[bytes]:
    empty: Json
    match block["type"]:
        case "thinking":
            empty = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [("thinking_delta", "thinking", part) for part in _parts(block["thinking"])]
            deltas.append(("signature_delta", "signature", block["signature"]))
        case "tool_use":
            empty = block | {"input": {}}
            text = json.dumps(block["input"], ensure_ascii=False)
            deltas = [("input_json_delta", "partial_json", part) for part in ("", *_parts(text))]
        case _:
            empty = block | {"text": ""}
            deltas = [("text_delta", "text", part) for part in _parts(block["text"])]
    yield event({"type": "content_block_start", "index": index, "content_block": empty})
    for kind, field, part in deltas:
        delta = {"type": kind, field: part}
        yield event({"type": "content_block_delta", "index": index, "delta": delta})
    yield event({"type": "content_block_stop", "index": index})


def _parts(text: str) -> Iterator[str]:
    for start in range(0, len(text), CHARACTERS_PER_DELTA):
        yield text[start : start + CHARACTERS_PER_DELTA]
