"""Loads the image of a row and detects its media type by its bytes."""

from pathlib import Path

from batcher.core.request.attachment import Attachment
from batcher.core.request.image_size import media_type, pixels
from batcher.inputs.attachments.attached_file import BadAttachment, attached_bytes

# The API's documentation: 10 MB of base64 for one image. Base64 turns 3 bytes into 4.
MAX_BASE64_BYTES = 10 * 2**20
MAX_BYTES = MAX_BASE64_BYTES // 4 * 3
LONGEST_SIDE = 8_000
"""In pixels, from the API's documentation."""


def load_image(value: object, root: Path) -> Attachment:
    """Load a column's value as an image: a path inside ``root``, bytes, or a struct of both.

    The media type is detected by the bytes: JPEG, PNG, GIF or WebP.
    Raises ``BadAttachment`` for any other value, and for an image larger than the API accepts.
    """
    image = image_of(attached_bytes(value, root, kind="image", max_bytes=MAX_BYTES))
    if image is None:
        raise BadAttachment("the image is not a JPEG, PNG, GIF or WebP")
    return image


def image_of(data: bytes) -> Attachment | None:
    """Return bytes as an image; None for other bytes. Raises ``BadAttachment`` when too large."""
    kind, size = media_type(data), pixels(data)
    if kind is None:
        return None
    if len(data) > MAX_BYTES:
        raise BadAttachment(f"the image has more than {MAX_BYTES:,} bytes")
    if size is not None and max(size) > LONGEST_SIDE:
        raise BadAttachment(
            f"the image's longer side has {max(size):,} pixels; the API accepts {LONGEST_SIDE:,}"
        )
    return Attachment(kind, data)
