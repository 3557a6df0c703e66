"""Finds the places for cache marks in a request, and encodes the request with marks."""

from collections.abc import Iterator, Mapping, Sequence
from enum import IntFlag
from functools import lru_cache
from typing import Any

from batcher.core.request.cache_control import KEY, ONE_HOUR
from batcher.core.request.canonical import canonical_json_of, member
from batcher.core.usage_fields import TTL

# Thinking and empty text cannot have a mark; whether unknown kinds can is not documented.
_MARKABLE = frozenset({"document", "image", "search_result", "text", "tool_result", "tool_use"})

_MARK = {"cache_control": {"type": "ephemeral"}}
_FIVE_MINUTES = KEY + b'{"type":"ephemeral"}'


class Level(IntFlag):
    """The end of a shared prefix: after tools and system, or before the last block of messages."""

    NONE = 0
    SYSTEM = 1
    MESSAGES = 2


def markable(fields: Mapping[str, Any]) -> Level:
    """Return the levels at which a request has a place for a mark."""
    system = Level.NONE if _system_place(fields) is None else Level.SYSTEM
    return system | (Level.NONE if _message_place(fields) is None else Level.MESSAGES)


def marked(fields: Mapping[str, Any], levels: Level) -> bytes:
    """Encode a request as ``canonical_json`` does, with five-minute marks at some levels.

    Levels without a place are skipped. There are at most two marks; the API accepts four.
    """
    fields = dict(fields)
    encoded: dict[str, str] = {}
    if Level.SYSTEM in levels and (place := _system_place(fields)) is not None:
        key, index = place
        if isinstance(fields[key], str):
            encoded[key] = _system_member(fields.pop(key))
        else:
            fields[key] = _with_mark(fields[key], index)
    if Level.MESSAGES in levels and (position := _message_place(fields)) is not None:
        number, index = position
        message = fields["messages"][number]
        marked_message = {**message, "content": _with_mark(message["content"], index)}
        fields["messages"] = _replaced(fields["messages"], number, marked_message)
    return canonical_json_of(encoded | {key: member(key, value) for key, value in fields.items()})


@lru_cache(maxsize=4)
def _system_member(text: str) -> str:
    """Encode a marked system prompt; cached, because most rows of a job share it."""
    return member("system", _with_mark(text, 0))


def with_ttl(body: bytes, ttl: TTL) -> bytes:
    """Set the lifetime of all marks in a body that ``marked`` returned.

    With one lifetime for all, the API's rule holds that longer ones come first.
    """
    return body if ttl == "5m" else body.replace(_FIVE_MINUTES, ONE_HOUR)


def shared_messages(messages: Sequence[Any]) -> list[Any]:
    """Return the messages without the last block of the last one, which is the row's own."""
    content = messages[-1]["content"]
    if isinstance(content, list) and len(content) > 1:
        return [*messages[:-1], {**messages[-1], "content": content[:-1]}]
    return list(messages[:-1])


def _system_place(fields: Mapping[str, Any]) -> tuple[str, int] | None:
    """Return the key and the index of the last block of tools and system that can be marked."""
    system, tools = fields.get("system"), fields.get("tools")
    if system:
        index = _last_block(system)
        return None if index is None else ("system", index)
    if isinstance(tools, list) and tools and isinstance(tools[-1], Mapping):
        return None if tools[-1].get("defer_loading") else ("tools", len(tools) - 1)
    return None


def _message_place(fields: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the message and the index of the last shared block that can be marked."""
    for number, message in _backwards(shared_messages(fields["messages"])):
        index = _last_block(message["content"])
        if index is not None and message.get("role") in ("user", "assistant"):
            return number, index
    return None


def _last_block(content: Any) -> int | None:
    if isinstance(content, str):
        return 0 if content else None
    for index, block in _backwards(content if isinstance(content, list) else []):
        if _is_markable(block):
            return index
    return None


def _is_markable(block: Any) -> bool:
    kind = block.get("type") if isinstance(block, Mapping) else None
    return (
        isinstance(kind, str) and kind in _MARKABLE and (kind != "text" or bool(block.get("text")))
    )


def _backwards(items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    return ((index, items[index]) for index in reversed(range(len(items))))


def _with_mark(content: Any, index: int) -> list[Any]:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return _replaced(blocks, index, {**blocks[index], **_MARK})


def _replaced(items: Sequence[Any], index: int, item: Any) -> list[Any]:
    return [*items[:index], item, *items[index + 1 :]]
