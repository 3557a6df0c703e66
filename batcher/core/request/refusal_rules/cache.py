"""Rules about the places and lifetimes of cache marks."""

from collections.abc import Iterator, Mapping

from batcher.core.request.refusal_rules.checked_request import (
    CheckedRequest,
    Refusal,
    content_blocks,
    error,
    nested_blocks,
)

_MAX_BREAKPOINTS = 4


def cache_marks(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse malformed marks, more than four, and one-hour marks after five-minute ones."""
    marks = list(_marks(request))
    for path, mark in marks:
        if not isinstance(mark, Mapping) or mark.get("type") != "ephemeral":
            yield error(path, 'must be an object of type "ephemeral"')
        elif mark.get("ttl", "5m") not in ("5m", "1h"):
            yield error(f"{path}.ttl", "must be 5m or 1h")
    for path, _ in marks[_MAX_BREAKPOINTS:]:
        yield error(path, f"a request has at most {_MAX_BREAKPOINTS} cache breakpoints")
    yield from _order(marks)
    yield from _automatic_on_explicit(request)


def _order(marks: list[tuple[str, object]]) -> Iterator[Refusal]:
    has_short = False
    for path, mark in marks:
        if has_short and _ttl(mark) == "1h":
            yield error(path, "one-hour breakpoints must come before five-minute ones")
        has_short = has_short or _ttl(mark) == "5m"


def _automatic_on_explicit(request: CheckedRequest) -> Iterator[Refusal]:
    automatic = request.body.get("cache_control")
    messages = request.items("messages")
    if automatic is None or not messages or not isinstance(messages[-1], Mapping):
        return
    content = messages[-1].get("content")
    last = content[-1] if isinstance(content, list | tuple) and content else None
    explicit = last.get("cache_control") if isinstance(last, Mapping) else None
    if explicit is not None and _ttl(explicit) != _ttl(automatic):
        yield error("cache_control", "its ttl differs from the ttl of the mark on the last block")


def _marks(request: CheckedRequest) -> Iterator[tuple[str, object]]:
    """Yield every mark in the order of the prompt; the automatic mark is last."""
    for path, block in nested_blocks("tools", request.items("tools")):
        yield from _mark(path, block)
    for path, block in nested_blocks("system", request.items("system")):
        yield from _mark(path, block)
    for _, path, block in content_blocks(request):
        yield from _mark(path, block)
    if request.body.get("cache_control") is not None:
        yield "cache_control", request.body["cache_control"]


def _mark(path: str, block: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    if block.get("cache_control") is not None:
        yield f"{path}.cache_control", block["cache_control"]


def _ttl(mark: object) -> object:
    return mark.get("ttl", "5m") if isinstance(mark, Mapping) else None
