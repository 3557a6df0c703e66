"""The parts of a request whose tokens do not follow from its bytes: images, pages, uploads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from batcher.core.request.image_size import MAX_TOKENS, Tier, tokens_of_source


@dataclass(frozen=True, slots=True)
class Contents:
    """``image_tokens`` is an upper bound for all images, ``image_bytes`` counts their base64.

    ``has_pages``: there is a document whose text is not in the request. ``has_upload``: there is a
    file of unknown size.
    """

    image_tokens: int = 0
    image_bytes: int = 0
    has_pages: bool = False
    has_upload: bool = False


def contents_of(request: Mapping[str, Any], tier: Tier) -> Contents:
    """Return the contents of a request; ``tier`` is how its model scales images."""
    tokens = image_bytes = 0
    has_pages = has_upload = False
    for block in _blocks(request):
        source = block.get("source")
        if block.get("type") == "image":
            known = tokens_of_source(source, tier)
            tokens += MAX_TOKENS[tier] if known is None else known
            image_bytes += _base64_bytes(source)
        elif block.get("type") == "document":
            has_pages = has_pages or not _is_text(source)
        elif block.get("type") == "container_upload":
            has_upload = True
    return Contents(tokens, image_bytes, has_pages, has_upload)


def _blocks(request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield every content block of a request, at any depth."""
    pending: list[Any] = [request.get("system")]
    pending.extend(
        message.get("content")
        for message in request.get("messages") or ()
        if isinstance(message, Mapping)
    )
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            continue
        if isinstance(value, list | tuple):
            pending.extend(value)
        elif isinstance(value, Mapping):
            yield value
            pending.append(value.get("content"))
            source = value.get("source")
            if isinstance(source, Mapping):
                pending.append(source.get("content"))


def _base64_bytes(source: object) -> int:
    if isinstance(source, Mapping) and source.get("type") == "base64":
        data = source.get("data")
        return len(data) if isinstance(data, str) else 0
    return 0


def _is_text(source: object) -> bool:
    return isinstance(source, Mapping) and source.get("type") in ("text", "content")
