"""Reads the size of an image from its first bytes, and computes its tokens.

The formula is from the API's documentation (August and October 2026): one token per patch of 28 by
28 pixels. Before, the server scales the image down to the longest edge and the maximum tokens of
the model's tier, and keeps its proportions. Each side is rounded up to whole patches.
"""

import base64
import binascii
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any, Literal

Tier = Literal["standard", "high"]

_PATCH = 28
_LONGEST_EDGE: Mapping[Tier, int] = {"standard": 1_568, "high": 2_576}
MAX_TOKENS: Mapping[Tier, int] = {"standard": 1_568, "high": 4_784}
"""The maximum tokens of one image."""

_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
# Base64 characters that are read; in a JPEG, previews and colour profiles may precede the size.
_HEAD, _LONG_HEAD = 65_536, 2_097_152
_JPEG = "/9j/"


def image_tokens(width: int, height: int, tier: Tier) -> int:
    """Return the tokens of an image of this width and height in pixels."""
    longest = max(width, height)
    if _fits(width, height, longest, tier):
        return _patches(width, height, longest)
    small, large = 1, longest
    while large - small > 1:
        edge = (small + large) // 2
        if _fits(width, height, edge, tier):
            small = edge
        else:
            large = edge
    return _patches(width, height, small)


def tokens_of_source(source: object, tier: Tier) -> int | None:
    """Return the tokens of an image block's source; None when its size is not in the request."""
    if not isinstance(source, Mapping) or source.get("type") != "base64":
        return None
    size = pixels(_head(source))
    return None if size is None else image_tokens(*size, tier)


def pixels(head: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG, JPEG, GIF or WebP; None when its first bytes lack them."""
    for magic, _, read in _READERS:
        if magic.match(head):
            try:
                size = read(head)
            except (struct.error, IndexError):
                return None
            return size if size is not None and min(size) > 0 else None
    return None


def media_type(head: bytes) -> str | None:
    """Return the media type of an image; None for a format that the API does not accept."""
    return next((kind for magic, kind, _ in _READERS if magic.match(head)), None)


def _fits(width: int, height: int, edge: int, tier: Tier) -> bool:
    padded = -(-edge // _PATCH) * _PATCH
    is_short = padded <= _LONGEST_EDGE[tier]
    return is_short and _patches(width, height, edge) <= MAX_TOKENS[tier]


def _patches(width: int, height: int, edge: int) -> int:
    """Count the patches when the longer side is scaled to ``edge``."""
    longest = max(width, height)
    across, down = (max(1, round(side * edge / longest)) for side in (width, height))
    return -(-across // _PATCH) * -(-down // _PATCH)


def _head(source: Mapping[str, Any]) -> bytes:
    data = source.get("data")
    if not isinstance(data, str):
        return b""
    try:
        return base64.b64decode(data[: _LONG_HEAD if data.startswith(_JPEG) else _HEAD])
    except (binascii.Error, ValueError):
        return b""


def _png(head: bytes) -> tuple[int, int] | None:
    if head[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", head, 16)
    return int(width), int(height)


def _gif(head: bytes) -> tuple[int, int] | None:
    width, height = struct.unpack_from("<HH", head, 6)
    return int(width), int(height)


def _jpeg(head: bytes) -> tuple[int, int] | None:
    offset = 2
    while head[offset] == 0xFF:
        kind = head[offset + 1]
        if kind == 0xFF:  # padding
            offset += 1
            continue
        if kind in _JPEG_BARE:
            offset += 2
            continue
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):  # a frame
            height, width = struct.unpack_from(">HH", head, offset + 5)
            return int(width), int(height)
        offset += 2 + int(struct.unpack_from(">H", head, offset + 2)[0])
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    variant = head[12:16]
    if variant == b"VP8X":
        if len(head) < 30:
            return None
        wide, high = (int.from_bytes(head[offset : offset + 3], "little") for offset in (24, 27))
        return 1 + wide, 1 + high
    if variant == b"VP8L":
        bits = int(struct.unpack_from("<I", head, 21)[0])
        if head[20] != 0x2F:
            return None
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if variant == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        if head[23:26] != b"\x9d\x01\x2a":
            return None
        return int(width) & 0x3FFF, int(height) & 0x3FFF
    return None


_READERS: tuple[tuple[re.Pattern[bytes], str, Callable[[bytes], tuple[int, int] | None]], ...] = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png", _png),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg", _jpeg),
    (re.compile(rb"GIF8[79]a"), "image/gif", _gif),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp", _webp),
)
