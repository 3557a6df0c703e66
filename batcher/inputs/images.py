"""Loads the image of a row and tells what it is from its bytes."""

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

# The API's documentation: 10 MB of base64 for one image. Base64 makes 4 bytes of every 3.
MAX_BASE64_BYTES = 10 * 2**20
MAX_BYTES = MAX_BASE64_BYTES // 4 * 3

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://|data:", re.ASCII)
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_JPEG_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})


class BadImage(ValueError):  # noqa: N818 (a value's verdict, like BadRow)
    """A value that is no image we may send; the message is the reason, free of content."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image's bytes as they are, and its size in pixels; None where its header hides it."""

    media_type: str
    data: bytes = field(repr=False)
    width: int | None
    height: int | None


def load_image(value: object, root: Path) -> Image:
    """Load what a column holds: a path inside ``root``, bytes, or a struct of both.

    The media type is told from the bytes: JPEG, PNG, GIF or WebP. Nothing outside ``root`` is
    read, whatever links there are, and URLs are never fetched.
    Raises ``BadImage`` for everything else and for more than ``MAX_BYTES``.
    """
    data = _bytes(value, root)
    if len(data) > MAX_BYTES:
        raise BadImage(f"the image has more than {MAX_BYTES:,} bytes (10 MB as base64)")
    media_type = _media_type(data)
    width, height = _SIZES[media_type](data) or (None, None)
    return Image(media_type, data, width, height)


def _bytes(value: object, root: Path) -> bytes:
    if isinstance(value, dict) and value and value.keys() <= {"bytes", "path"}:
        # The struct that Hugging Face datasets has for images: either may be null.
        inner = value.get("bytes")
        value = value.get("path") if inner is None else inner
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return _read(value, root)
    if value is None:
        raise BadImage("there is no image (null)")
    raise BadImage("an image must be a path, bytes, or a struct of bytes and path")


def _read(path: str, root: Path) -> bytes:
    if _URL.match(path):
        raise BadImage("the image is a URL, and URLs are never fetched; save it as a file")
    if not path or Path(path).is_absolute():
        raise BadImage("the image's path must be relative to the input's folder")
    try:
        inside = root.resolve(strict=True)
        target = (inside / path).resolve(strict=True)
        return _read_regular(target, inside)
    except FileNotFoundError:
        raise BadImage("the image file does not exist") from None
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "its path goes round in circles"
        raise BadImage(f"the image file cannot be read: {reason}") from None
    except BadImage:
        raise
    except ValueError:
        raise BadImage("the image's path is not valid") from None


def _read_regular(target: Path, inside: Path) -> bytes:
    if not target.is_relative_to(inside):
        raise BadImage("the image's path leads out of the input's folder")
    with os.fdopen(os.open(target, _FLAGS), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BadImage("the image's path is not a regular file")
        return file.read(MAX_BYTES + 1)


def _media_type(data: bytes) -> str:
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    raise BadImage("not a JPEG, PNG, GIF or WebP image")


def _png_size(data: bytes) -> tuple[int, int] | None:
    if data[12:16] != b"IHDR":
        return None
    return _pair(data, 16, 4, "big")


def _gif_size(data: bytes) -> tuple[int, int] | None:
    return _pair(data, 6, 2, "little")


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        size = _pair(data, 24, 3, "little", least=0)
        return size and (size[0] + 1, size[1] + 1)
    if kind == b"VP8L" and len(data) >= 25 and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        size = _pair(data, 26, 2, "little")
        return size and (size[0] & 0x3FFF, size[1] & 0x3FFF)
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Walk the segments up to the frame header, which holds height, then width."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill bytes may stand before a marker
            at += 1
        elif marker in _JPEG_BARE_MARKERS:
            at += 2
        elif marker in _JPEG_SIZE_MARKERS:
            size = _pair(data, at + 5, 2, "big")
            return size and (size[1], size[0])
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None


def _pair(
    data: bytes, at: int, width: int, order: Literal["big", "little"], least: int = 1
) -> tuple[int, int] | None:
    """Read two numbers of ``width`` bytes; None when the data ends before or one is too small."""
    if len(data) < at + 2 * width:
        return None
    first = int.from_bytes(data[at : at + width], order)
    second = int.from_bytes(data[at + width : at + 2 * width], order)
    return None if min(first, second) < least else (first, second)


_SIZES = {
    "image/jpeg": _jpeg_size,
    "image/png": _png_size,
    "image/gif": _gif_size,
    "image/webp": _webp_size,
}
