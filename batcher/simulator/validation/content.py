"""The shapes of content blocks."""

import base64
import binascii
from typing import Any

from batcher.simulator.api_error import ApiError
from batcher.simulator.billing.images import dimensions, media_type
from batcher.simulator.validation.shape import (
    Shape,
    anything,
    flag,
    list_of,
    mapping,
    nullable,
    one_of,
    record,
    refuse,
    tagged,
    text,
    text_or,
)

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
MAX_IMAGE_BYTES = 10 * 1024 * 1024
LONGEST_SIDE = 8_000
BLANK = "text content blocks must contain non-whitespace text"
IDENTIFIER = r"^[a-zA-Z0-9_-]+$"

cache_control = nullable(record({"type": one_of("ephemeral")}, {"ttl": one_of("5m", "1h")}))


def _base64(data: str, path: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise refuse(path, "Invalid base64 data") from error


def _image_source(value: Any, path: str) -> None:
    record({"media_type": one_of(*IMAGE_TYPES), "data": text(1)})(value, path)
    data = value["data"]
    if len(data) > MAX_IMAGE_BYTES:
        raise refuse(
            path, f"image exceeds 10 MB maximum: {len(data)} bytes > {MAX_IMAGE_BYTES} bytes"
        )
    decoded = _base64(data, f"{path}.data")
    claimed = media_type(decoded)
    size = dimensions(decoded)
    if claimed is None or size is None:
        raise refuse(path, "Could not process image")
    if claimed != value["media_type"]:
        raise refuse(
            f"{path}.media_type",
            f"Image does not match the provided media type {value['media_type']}",
        )
    if max(size) > LONGEST_SIDE:
        raise ApiError(
            400,
            f"{path}: At least one of the image dimensions exceed max allowed size: "
            f"{LONGEST_SIDE} pixels",
            code="image_dimensions_too_large",
        )


def _pdf_source(value: Any, path: str) -> None:
    record({"media_type": one_of("application/pdf"), "data": text(1)})(value, path)
    if not _base64(value["data"], f"{path}.data").startswith(b"%PDF"):
        raise refuse(path, "The PDF specified was not valid.")


def _tool_result(value: Any, path: str) -> None:
    # The blocks are looked up at the call, because ``BLOCKS`` itself contains this function.
    content = text_or(list_of(tagged({k: BLOCKS[k] for k in RESULT_BLOCKS})))
    record(
        {"tool_use_id": text(1, pattern=IDENTIFIER)},
        {"content": content, "is_error": flag, "cache_control": cache_control},
    )(value, path)


def _text_block(value: Any, path: str) -> None:
    _TEXT(value, path)
    if not value["text"]:
        raise refuse(path.partition(".")[0], "text content blocks must be non-empty")
    if not value["text"].strip():
        raise refuse(path.partition(".")[0], BLANK)


_TEXT = record(
    {"text": text()},
    {"cache_control": cache_control, "citations": nullable(list_of(mapping))},
)
_URL = record({"url": text(1, pattern="^https?://")})
_FILE = record({"file_id": text(1)})
_ON_OFF = nullable(record({}, {"enabled": flag}))

BLOCKS: dict[str, Shape] = {
    "text": _text_block,
    "image": record(
        {"source": tagged({"base64": _image_source, "url": _URL, "file": _FILE})},
        {
            "cache_control": cache_control,
            "transformations": nullable(
                record({}, {"oversized_image": one_of("downsize", "error")})
            ),
        },
    ),
    "document": record(
        {
            "source": tagged(
                {
                    "base64": _pdf_source,
                    "url": _URL,
                    "file": _FILE,
                    "text": record({"media_type": one_of("text/plain"), "data": text(1)}),
                    "content": record({"content": text_or(list_of(tagged({"text": _text_block})))}),
                }
            )
        },
        {
            "title": nullable(text(1, 500)),
            "context": nullable(text(1)),
            "citations": _ON_OFF,
            "cache_control": cache_control,
        },
    ),
    "search_result": record(
        {"source": text(), "title": text(), "content": list_of(tagged({"text": _text_block}))},
        {"citations": _ON_OFF, "cache_control": cache_control},
    ),
    "tool_use": record(
        {"id": text(1, pattern=IDENTIFIER), "name": text(1, 200), "input": mapping},
        {"cache_control": cache_control, "caller": anything},
    ),
    "tool_result": _tool_result,
    "thinking": record({"thinking": text(), "signature": text()}),
    "redacted_thinking": record({"data": text()}),
}
RESULT_BLOCKS = ("text", "image", "document", "search_result")
ROLE_BLOCKS = {
    "user": ("text", "image", "document", "search_result", "tool_result"),
    "assistant": ("text", "document", "tool_use", "thinking", "redacted_thinking"),
    "system": ("text",),
}
ROLES: dict[str, Shape] = {
    role: text_or(list_of(tagged({name: BLOCKS[name] for name in names})))
    for role, names in ROLE_BLOCKS.items()
}
text_blocks = text_or(list_of(tagged({"text": _text_block})))
