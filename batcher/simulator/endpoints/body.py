"""A request's JSON body and the names it goes by."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, NoReturn

from batcher.simulator.api_error import ApiError
from batcher.simulator.billing.prompt_tokens import canonical
from batcher.simulator.wire.connection import Request

MARK = b'"cache_control"'
BLOCK = b'"type":"text"'


@dataclass(frozen=True, slots=True)
class Body:
    """``key`` names the body without ``stream``; ``unmarked_key`` without cache marks too.

    The latter does not tell a text from the one block of text that a mark makes of it.
    """

    value: dict[str, Any]
    key: str
    unmarked_key: str


def read_body(request: Request) -> Body:
    """Parse and name a body, or raise the API's error for one that is not a JSON object."""
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
        key = _name({k: v for k, v in value.items() if k != "stream"})
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"The request body is not valid JSON: {error}") from error
    if MARK not in request.body and BLOCK not in request.body.replace(b" ", b""):
        return Body(value, key, key)
    bare = unmarked({k: v for k, v in value.items() if k != "stream"})
    return Body(value, key, _name(bare))


def unmarked(body: dict[str, Any]) -> dict[str, Any]:
    """Copy the body without its cache marks; keys of that name inside data are left alone."""
    bare = {k: v for k, v in body.items() if k != "cache_control"}
    for name in ("tools", "system"):
        if name in bare:
            bare[name] = _blocks(bare[name])
    if isinstance(bare.get("messages"), list):
        bare["messages"] = [
            m | {"content": _blocks(m.get("content"))} if isinstance(m, dict) else m
            for m in bare["messages"]
        ]
    return bare


def _blocks(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    if len(content) == 1 and isinstance(content[0], dict):
        only = {k: v for k, v in content[0].items() if k != "cache_control"}
        if only.keys() == {"type", "text"} and only["type"] == "text":
            return only["text"]
    return [_block(block) if isinstance(block, dict) else block for block in content]


def _block(block: dict[str, Any]) -> dict[str, Any]:
    bare = {k: v for k, v in block.items() if k != "cache_control"}
    if bare.get("type") in ("tool_result", "search_result"):
        bare["content"] = _blocks(bare.get("content"))
    return bare


def _name(value: dict[str, Any]) -> str:
    return hashlib.blake2b(canonical(value), digest_size=16).hexdigest()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
