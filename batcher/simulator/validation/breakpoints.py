"""The rules of cache breakpoints: their number, their places and the order of lifetimes."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from batcher.simulator.validation.shape import refuse

Json = dict[str, Any]
MAX_BREAKPOINTS = 4


def check_breakpoints(body: Json) -> None:
    """Refuse more than four breakpoints, and a lifetime of 1 hour after one of 5 minutes."""
    breakpoints = [
        (path, block["cache_control"]) for path, block in _blocks(body) if _has_breakpoint(block)
    ]
    lifetimes = [cache_control.get("ttl") or "5m" for _, cache_control in breakpoints]
    automatic = body.get("cache_control")
    if automatic is not None:
        _check_automatic(body, automatic, len(breakpoints))
    is_additional = automatic is not None and not _last_block_has_breakpoint(body)
    count = len(breakpoints) + is_additional
    if count > MAX_BREAKPOINTS:
        raise refuse(
            "", f"A maximum of 4 blocks with cache_control may be provided. Found {count}."
        )
    for index, ttl in enumerate(lifetimes):
        if ttl == "1h" and "5m" in lifetimes[:index]:
            raise refuse(
                f"{breakpoints[index][0]}.cache_control.ttl",
                "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control "
                "block. Note that blocks are processed in the following order: `tools`, "
                "`system`, `messages`.",
            )


def _check_automatic(body: Json, automatic: Json, explicit_count: int) -> None:
    last = _last_block(body)
    explicit = last.get("cache_control") if last else None
    if explicit is not None and (explicit.get("ttl") or "5m") != (automatic.get("ttl") or "5m"):
        raise refuse("cache_control", "the last block has a cache_control with another ttl")
    if explicit is None and explicit_count >= MAX_BREAKPOINTS:
        raise refuse("", "A maximum of 4 blocks with cache_control may be provided. Found 5.")


def _has_breakpoint(block: Json) -> bool:
    return block.get("cache_control") is not None


def _last_block_has_breakpoint(body: Json) -> bool:
    last = _last_block(body)
    return last is not None and _has_breakpoint(last)


def _last_block(body: Json) -> Json | None:
    """Return the last block; None when it is a plain string, which cannot have a breakpoint."""
    if isinstance(body["messages"][-1]["content"], str):
        return None
    return deque((block for _, block in _blocks(body)), maxlen=1)[0]


def _blocks(body: Json) -> Iterator[tuple[str, Json]]:
    for index, tool in enumerate(body.get("tools") or ()):
        yield f"tools.{index}", tool
    system = body.get("system") or ()
    for index, block in enumerate(() if isinstance(system, str) else system):
        yield f"system.{index}", block
    for turn, message in enumerate(body["messages"]):
        content = message["content"]
        for index, block in enumerate(() if isinstance(content, str) else content):
            yield f"messages.{turn}.content.{index}", block
