"""Loads the document of a row: a PDF, a picture of a page or a plain text, told from its bytes."""

from pathlib import Path

from batcher.core.request.attachment import PDF, PLAIN_TEXT, Attachment
from batcher.inputs.attachments.attached_file import BadAttachment, attached_bytes
from batcher.inputs.attachments.images import image_of

# A whole request may have 32 MB, and base64 makes 4 bytes of every 3.
MAX_BYTES = 24 * 2**20
_NO_TEXTS = (".pdf", ".jpg", ".jpeg", ".png", ".gif", ".webp")
_PDF_WITHIN = 1_024  # some programs write a few bytes before the mark


def load_document(value: object, root: Path) -> Attachment:
    """Load what a column holds: a path inside ``root``, bytes, or a struct of both.

    What begins neither as a PDF nor as an image has to be text in UTF-8.
    Raises ``BadAttachment`` for everything else and for what is larger than the API takes.
    """
    data = attached_bytes(value, root, what="document", most=MAX_BYTES)
    start = data[:_PDF_WITHIN].find(b"%PDF-")
    if start >= 0:
        return Attachment(PDF, data[start:])
    image = image_of(data)
    if image is not None:
        return image
    path = value.get("path") if isinstance(value, dict) else value
    if isinstance(path, str) and path.lower().endswith(_NO_TEXTS):
        raise BadAttachment("its name says that it is a PDF or an image, and its bytes do not")
    return _plain_text(data)


def load_text(value: object) -> Attachment:
    """Make a document of a column's text; ``BadAttachment`` when it holds none."""
    if not isinstance(value, str):
        kind = "null" if value is None else f"a {type(value).__name__}"
        raise BadAttachment(f"the document must be a text, and is {kind}")
    try:
        return _plain_text(value.encode())
    except UnicodeEncodeError:
        raise BadAttachment("the document holds a lone surrogate") from None


def _plain_text(data: bytes) -> Attachment:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadAttachment("not a PDF, and no text in UTF-8 either") from None
    if "\0" in text:
        raise BadAttachment("not a PDF, and no text either")
    if not text.strip():
        raise BadAttachment("the document is empty")
    return Attachment(PLAIN_TEXT, text.encode())
