"""Loads the image of a row and tells what it is from its bytes."""

from pathlib import Path

from batcher.core.request.attachment import Attachment
from batcher.core.request.image_size import media_type, pixels
from batcher.inputs.attachments.attached_file import BadAttachment, attached_bytes

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
    found = image_of(attached_bytes(value, root, what="image", most=MAX_BYTES))
    if found is None:
        raise BadAttachment("not a JPEG, PNG, GIF or WebP image")
    return found


def image_of(data: bytes) -> Attachment | None:
    """Take bytes for an image; None when they are none, ``BadAttachment`` when it is too large."""
    kind, size = media_type(data), pixels(data)
    if kind is None:
        return None
    if len(data) > MAX_BYTES:
        raise BadAttachment(f"the image has more than {MAX_BYTES:,} bytes")
    if size is not None and max(size) > LONGEST_SIDE:
        raise BadAttachment(
            f"the image is {max(size):,} pixels long; the API takes {LONGEST_SIDE:,}"
        )
    return Attachment(kind, data)
