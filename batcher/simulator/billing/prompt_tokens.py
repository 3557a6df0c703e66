"""The segments of a prompt: the units in which tokens and cache breakpoints are counted.

Tokens are estimated from UTF-8 bytes, because there is no public tokenizer: 3.4 bytes per token for
the old family (Claude 4.6 and earlier), 2.5 for the new one, rounded up for each block. Then 4
tokens are added per request, 3 per message, the documented hidden prompt when there are tools, and
40 for structured output. An image costs one token for each patch of 28 by 28 pixels; an image
behind a URL or a file id counts as 1000 by 1000 pixels. A PDF page counts 2,250 tokens for its text
and 1,560 for its image. The estimate is inexact for languages whose letters take several bytes.
That does no harm here: the same prompt always has the same count.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from batcher.simulator.billing.images import SNIFFED, dimensions, image_tokens
from batcher.simulator.billing.model_table import Model

REQUEST_TOKENS = 4
MESSAGE_TOKENS = 3
FORMAT_TOKENS = 40
PAGE_TOKENS = 2_250 + 1_560
REMOTE_IMAGE_SIDE = 1_000

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Segment:
    """One tool, system block or message block.

    ``ttl`` is the lifetime of a cache breakpoint, or None without one. ``value`` is what the prefix
    hash covers.
    """

    tokens: int
    ttl: str | None
    value: object


def canonical(value: object) -> bytes:
    """Return JSON with sorted keys and no spaces, as UTF-8; raise ValueError if impossible."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def text_tokens(text: str, tokenizer: str) -> int:
    """Return the estimated tokens of a text, from its bytes."""
    size = len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
    return (size * 10 + 33) // 34 if tokenizer == "old" else (size * 2 + 4) // 5


def prompt_tokens(segments: Iterable[Segment]) -> int:
    """Return all input tokens of a request."""
    return sum(segment.tokens for segment in segments)


def segments(body: Json, model: Model) -> list[Segment]:
    """Return the segments in the order in which prefixes are built: tools, system, messages."""
    parts = [*_tools(body, model), *_system(body, model), *_messages(body, model)]
    automatic = body.get("cache_control")
    if automatic and parts:
        last = parts[-1]
        parts[-1] = Segment(last.tokens, last.ttl or _ttl(automatic), last.value)
    return parts


def _ttl(cache_control: Json | None) -> str | None:
    return None if cache_control is None else cache_control.get("ttl") or "5m"


def _tools(body: Json, model: Model) -> Iterator[Segment]:
    hidden = REQUEST_TOKENS
    output_format = (body.get("output_config") or {}).get("format")
    if output_format:
        schema = json.dumps(output_format.get("schema"))
        hidden += FORMAT_TOKENS + text_tokens(schema, model.tokenizer)
    tools = body.get("tools") or ()
    if tools:
        forced = (body.get("tool_choice") or {}).get("type") in ("any", "tool")
        tokens = model.forced_tool_prompt_tokens if forced else None
        hidden += tokens or model.tool_prompt_tokens
    yield Segment(hidden, None, output_format)
    for tool in tools:
        bare = {key: value for key, value in tool.items() if key != "cache_control"}
        tokens = text_tokens(json.dumps(bare), model.tokenizer)
        yield Segment(tokens, _ttl(tool.get("cache_control")), bare)


def _system(body: Json, model: Model) -> Iterator[Segment]:
    system = body.get("system") or ()
    if isinstance(system, str):
        yield Segment(text_tokens(system, model.tokenizer), None, system)
        return
    for block in system:
        yield _segment(block, model, "system")


def _messages(body: Json, model: Model) -> Iterator[Segment]:
    for message in body["messages"]:
        content, role = message["content"], message["role"]
        if isinstance(content, str):
            tokens = MESSAGE_TOKENS + text_tokens(content, model.tokenizer)
            yield Segment(tokens, None, (role, content))
            continue
        if not content:
            yield Segment(MESSAGE_TOKENS, None, role)
        for index, block in enumerate(content):
            yield _segment(block, model, role, 0 if index else MESSAGE_TOKENS)


def _segment(block: Json, model: Model, role: str, extra: int = 0) -> Segment:
    bare = {key: value for key, value in block.items() if key != "cache_control"}
    tokens = extra + block_tokens(block, model)
    return Segment(tokens, _ttl(block.get("cache_control")), (role, bare))


def block_tokens(block: Json, model: Model) -> int:
    """Return the estimated tokens of one content block."""
    match block["type"]:
        case "text":
            return text_tokens(block["text"], model.tokenizer)
        case "thinking":
            return text_tokens(block["thinking"], model.tokenizer)
        case "image":
            return _image_tokens(block["source"], model)
        case "document":
            return _document_tokens(block["source"], model)
        case "tool_result":
            return MESSAGE_TOKENS + _content_tokens(block.get("content") or "", model)
        case "search_result":
            return text_tokens(block["title"], model.tokenizer) + _content_tokens(
                block["content"], model
            )
        case _:
            return text_tokens(json.dumps(block), model.tokenizer)


def _content_tokens(content: str | list[Json], model: Model) -> int:
    if isinstance(content, str):
        return text_tokens(content, model.tokenizer)
    return sum(block_tokens(block, model) for block in content)


def _image_tokens(source: Json, model: Model) -> int:
    size = None
    if source["type"] == "base64":
        size = dimensions(decoded_head(source["data"]))
    width, height = size or (REMOTE_IMAGE_SIDE, REMOTE_IMAGE_SIDE)
    return image_tokens(width, height, model.image_tier)


def decoded_head(data: str) -> bytes:
    """Return the first bytes of base64 text, enough for most image headers; empty if invalid."""
    try:
        return base64.b64decode(data[:SNIFFED])
    except (binascii.Error, ValueError):
        return b""


def _document_tokens(source: Json, model: Model) -> int:
    match source["type"]:
        case "text":
            return text_tokens(source["data"], model.tokenizer)
        case "content":
            return _content_tokens(source["content"], model)
        case "base64":
            data = base64.b64decode(source["data"])
            pages = data.count(b"/Type /Page") - data.count(b"/Type /Pages")
            return max(1, pages) * PAGE_TOKENS
        case _:
            return PAGE_TOKENS
