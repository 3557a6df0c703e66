"""The size of an image, read from its first bytes, and its tokens."""

import struct

PATCH = 28
LONG_EDGE = {"standard": 1568, "high": 2576}
MAX_TOKENS = {"standard": 1568, "high": 4784}
SNIFFED = 65536
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def media_type(head: bytes) -> str | None:
    """Return the media type of image bytes, or None for other bytes."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8"):
        return "image/jpeg"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return None


def dimensions(data: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels, or None when the header does not contain them."""
    readers = {"image/png": _png, "image/jpeg": _jpeg, "image/gif": _gif, "image/webp": _webp}
    reader = readers.get(media_type(data) or "")
    if reader is None:
        return None
    try:
        size = reader(data)
    except (struct.error, IndexError):
        return None
    return size if size is not None and min(size) > 0 else None


def image_tokens(width: int, height: int, tier: str) -> int:
    """Return the number of 28 by 28 pixel patches after the image is scaled down to the tier.

    The aspect ratio is kept, and each side is rounded up to whole patches. The largest long edge
    that fits is found by binary search.
    """
    low, high = 1, max(width, height)
    if not _fits(width, height, high, tier):
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _fits(width, height, middle, tier) else (low, middle)
        high = low
    return _patches(width, height, high)


def _sides(width: int, height: int, long_edge: int) -> tuple[int, int]:
    longest = max(width, height)
    return (
        max(1, round(width * long_edge / longest)),
        max(1, round(height * long_edge / longest)),
    )


def _patches(width: int, height: int, long_edge: int) -> int:
    across, down = _sides(width, height, long_edge)
    return -(-across // PATCH) * -(-down // PATCH)


def _fits(width: int, height: int, long_edge: int, tier: str) -> bool:
    padded = -(-long_edge // PATCH) * PATCH
    return padded <= LONG_EDGE[tier] and _patches(width, height, long_edge) <= MAX_TOKENS[tier]


def _png(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _gif(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _jpeg(data: bytes) -> tuple[int, int] | None:
    position = 2
    while data[position] == 0xFF:
        marker = data[position + 1]
        if marker in JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return width, height
        position += 2 + struct.unpack_from(">H", data, position + 2)[0]
    return None


def _webp(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return (
            1 + int.from_bytes(data[24:27], "little"),
            1 + int.from_bytes(data[27:30], "little"),
        )
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + ((bits >> 14) & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None
