"""A JSON body: its value, the hashes that identify it, and JSON as bytes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from batcher.simulator.billing.prompt_tokens import canonical

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


def hashed(value: dict[str, Any], raw: bytes) -> Body:
    """Hash a body; ``raw`` contains its JSON; raise ValueError for what JSON cannot express."""
    bare = {k: v for k, v in value.items() if k != "stream"}
    key = _hash(bare)
    if BREAKPOINT not in raw and TEXT_BLOCK not in raw.replace(b" ", b""):
        return Body(value, key, key)
    return Body(value, key, _hash(unmarked(bare)))


def as_json(value: Mapping[str, Any]) -> bytes:
    """Return a value as the JSON bytes of a body."""
    return json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")


def refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and infinity, which Python's parser accepts."""
    raise ValueError(f"{name} is not a JSON number")


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
