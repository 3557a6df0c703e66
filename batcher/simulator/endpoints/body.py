"""The JSON body of a request, and the hashes that identify it."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, NoReturn

from batcher.simulator.api_error import ApiError
from batcher.simulator.billing.prompt_tokens import canonical
from batcher.simulator.wire.connection import Request

BREAKPOINT = b'"cache_control"'
TEXT_BLOCK = b'"type":"text"'


@dataclass(frozen=True, slots=True)
class Body:
    """A parsed body with two hashes.

    ``key`` covers the body without ``stream``. ``unmarked_key`` leaves out the cache breakpoints,
    too, and is the same for a text and for one text block with that text.
    """

    value: dict[str, Any]
    key: str
    unmarked_key: str


def read_body(request: Request) -> Body:
    """Parse and hash a body; raise the API's error for one that is not a JSON object."""
    if request.is_too_large:
        raise ApiError(413, "Request exceeds the maximum size")
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise ApiError(400, "Content-Type must be application/json")
    if request.headers.get("content-encoding", "identity") != "identity":
        text = "The request body's content encoding is not supported."
        raise ApiError(400, text, code="request_body_encoding_unsupported")
    try:
        value = json.loads(request.body, parse_constant=_refuse_constant)
        if not isinstance(value, dict):
            raise ApiError(400, "The request body must be a JSON object.")
        key = _hash({k: v for k, v in value.items() if k != "stream"})
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"The request body is not valid JSON: {error}") from error
    if BREAKPOINT not in request.body and TEXT_BLOCK not in request.body.replace(b" ", b""):
        return Body(value, key, key)
    bare = unmarked({k: v for k, v in value.items() if k != "stream"})
    return Body(value, key, _hash(bare))


def unmarked(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body without its cache breakpoints; data may have keys of the same name."""
    bare = {k: v for k, v in body.items() if k != "cache_control"}
    for name in ("tools", "system"):
        if name in bare:
            bare[name] = _blocks(bare[name])
    if isinstance(bare.get("messages"), list):
        bare["messages"] = [
            message | {"content": _blocks(message.get("content"))}
            if isinstance(message, dict)
            else message
            for message in bare["messages"]
        ]
    return bare


def _blocks(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    if len(content) == 1 and isinstance(content[0], dict):
        block = {k: v for k, v in content[0].items() if k != "cache_control"}
        if block.keys() == {"type", "text"} and block["type"] == "text":
            return block["text"]
    return [_block(block) if isinstance(block, dict) else block for block in content]


def _block(block: dict[str, Any]) -> dict[str, Any]:
    bare = {k: v for k, v in block.items() if k != "cache_control"}
    if bare.get("type") in ("tool_result", "search_result"):
        bare["content"] = _blocks(bare.get("content"))
    return bare


def _hash(value: dict[str, Any]) -> str:
    return hashlib.blake2b(canonical(value), digest_size=16).hexdigest()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
