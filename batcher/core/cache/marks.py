"""Cache marks in a request: where they can stand, and the bytes that are sent with them."""

from collections.abc import Iterator, Mapping, Sequence
from enum import IntFlag
from functools import lru_cache
from typing import Any

from batcher.core.request.cache_control import KEY, ONE_HOUR
from batcher.core.request.canonical import canonical_json_of, member
from batcher.core.usage_fields import TTL

# Thinking and empty text cannot bear a mark; of a block nobody knows yet it is not known.
_MARKABLE = frozenset({"document", "image", "search_result", "text", "tool_result", "tool_use"})

_MARK = {"cache_control": {"type": "ephemeral"}}
_FIVE_MINUTES = KEY + b'{"type":"ephemeral"}'


class Level(IntFlag):
    """How far a shared beginning goes: tools and system, or the messages before the last block."""

    NONE = 0
    SYSTEM = 1
    MESSAGES = 2


def markable(fields: Mapping[str, Any]) -> Level:
    """The levels at which a request has a place for a mark."""
    system = Level.NONE if _system_place(fields) is None else Level.SYSTEM
    return system | (Level.NONE if _message_place(fields) is None else Level.MESSAGES)


def marked(fields: Mapping[str, Any], levels: Level) -> bytes:
    """Encode a request as ``canonical_json`` does, with five-minute marks at some levels.

    A level without a place is passed over. Two marks at most, of the four that the API takes.
    """
    fields = dict(fields)
    known: dict[str, str] = {}
    if Level.SYSTEM in levels and (place := _system_place(fields)) is not None:
        key, index = place
        if isinstance(fields[key], str):
            known[key] = _system_member(fields.pop(key))
        else:
            fields[key] = _with_mark(fields[key], index)
    if Level.MESSAGES in levels and (where := _message_place(fields)) is not None:
        number, index = where
        message = fields["messages"][number]
        marked_one = {**message, "content": _with_mark(message["content"], index)}
        fields["messages"] = _replaced(fields["messages"], number, marked_one)
    return canonical_json_of(known | {key: member(key, value) for key, value in fields.items()})


@lru_cache(maxsize=4)
def _system_member(text: str) -> str:
    """Encode a marked system prompt; rows of a job often have the same."""
    return member("system", _with_mark(text, 0))


def with_ttl(body: bytes, ttl: TTL) -> bytes:
    """Let all marks of a body that ``marked`` made live so long.

    One lifetime for both keeps the rule that longer marks come first.
    """
    return body if ttl == "5m" else body.replace(_FIVE_MINUTES, ONE_HOUR)


def shared_messages(messages: Sequence[Any]) -> list[Any]:
    """The messages without the last block of the last one, which asks what no other row asks."""
    content = messages[-1]["content"]
    if isinstance(content, list) and len(content) > 1:
        return [*messages[:-1], {**messages[-1], "content": content[:-1]}]
    return list(messages[:-1])


def _system_place(fields: Mapping[str, Any]) -> tuple[str, int] | None:
    """The key and the index of the block at the end of tools and system."""
    system, tools = fields.get("system"), fields.get("tools")
    if system:
        index = _last_block(system)
        return None if index is None else ("system", index)
    if isinstance(tools, list) and tools and isinstance(tools[-1], Mapping):
        return None if tools[-1].get("defer_loading") else ("tools", len(tools) - 1)
    return None


def _message_place(fields: Mapping[str, Any]) -> tuple[int, int] | None:
    """The message and the block of it that is the last to be shared and can bear a mark."""
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
