"""The rules of cache breakpoints: how many, where, and in which order of lifetimes."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from batcher.simulator.validation.shape import refuse

Json = dict[str, Any]
MOST_BREAKPOINTS = 4


def check_marks(body: Json) -> None:
    """Refuse more than four breakpoints, a 1 h one after a 5 m one, and a mark on thinking."""
    marks = [(path, block["cache_control"]) for path, block in _blocks(body) if _is_marked(block)]
    lifetimes = [mark.get("ttl") or "5m" for _, mark in marks]
    automatic = body.get("cache_control")
    if automatic is not None:
        _check_automatic(body, automatic, len(marks))
    count = len(marks) + (automatic is not None and not _is_last_marked(body))
    if count > MOST_BREAKPOINTS:
        raise refuse(
            "", f"A maximum of 4 blocks with cache_control may be provided. Found {count}."
        )
    for place, ttl in enumerate(lifetimes):
        if ttl == "1h" and "5m" in lifetimes[:place]:
            raise refuse(
                f"{marks[place][0]}.cache_control.ttl",
                "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control "
                "block. Note that blocks are processed in the following order: `tools`, "
                "`system`, `messages`.",
            )


def _check_automatic(body: Json, mark: Json, explicit: int) -> None:
    last = _last(body)
    own = last.get("cache_control") if last else None
    if own is not None and (own.get("ttl") or "5m") != (mark.get("ttl") or "5m"):
        raise refuse("cache_control", "the last block has a cache_control with another ttl")
    if own is None and explicit >= MOST_BREAKPOINTS:
        raise refuse("", "A maximum of 4 blocks with cache_control may be provided. Found 5.")


def _is_marked(block: Json) -> bool:
    return block.get("cache_control") is not None


def _is_last_marked(body: Json) -> bool:
    last = _last(body)
    return last is not None and _is_marked(last)


def _last(body: Json) -> Json | None:
    """Find the last block; None when that is plain text, which has no place for a mark."""
    if isinstance(body["messages"][-1]["content"], str):
        return None
    return deque((block for _, block in _blocks(body)), maxlen=1)[0]


def _blocks(body: Json) -> Iterator[tuple[str, Json]]:
    for place, tool in enumerate(body.get("tools") or ()):
        yield f"tools.{place}", tool
    system = body.get("system") or ()
    for place, block in enumerate(() if isinstance(system, str) else system):
        yield f"system.{place}", block
    for index, message in enumerate(body["messages"]):
        content = message["content"]
        for place, block in enumerate(() if isinstance(content, str) else content):
            yield f"messages.{index}.content.{place}", block
