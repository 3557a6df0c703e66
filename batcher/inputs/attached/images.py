"""Loads the image of a row and tells what it is from its bytes."""

from pathlib import Path

from batcher.core.request.attachment import Attachment
from batcher.core.request.image_size import pixels
from batcher.inputs.attached.file import BadAttachment, attached_bytes

# The API's documentation: 10 MB of base64 for one image. Base64 makes 4 bytes of every 3.
MAX_BASE64_BYTES = 10 * 2**20
MAX_BYTES = MAX_BASE64_BYTES // 4 * 3
LONGEST_SIDE = 8_000
"""In pixels, by the API's documentation."""


def load_image(value: object, root: Path) -> Attachment:
    """Load what a column holds: a path inside ``root``, bytes, or a struct of both.

    The media type is told from the bytes: JPEG, PNG, GIF or WebP.
    Raises ``BadAttachment`` for everything else and for what is larger than the API takes.
    """
    data = attached_bytes(value, root, what="image", most=MAX_BYTES)
    if len(data) > MAX_BYTES:
        raise BadAttachment(f"the image has more than {MAX_BYTES:,} bytes (10 MB as base64)")
    media_type = _media_type(data)
    if media_type is None:
        raise BadAttachment("not a JPEG, PNG, GIF or WebP image")
    size = pixels(data)
    if size is not None and max(size) > LONGEST_SIDE:
        raise BadAttachment(
            f"the image is {max(size):,} pixels long; the API takes {LONGEST_SIDE:,}"
        )
    return Attachment(media_type, data)


def is_image(data: bytes) -> bool:
    """Whether bytes begin as an image that the API takes."""
    return _media_type(data) is not None


def _media_type(data: bytes) -> str | None:
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return None
