"""Loads the document of a row: a PDF, an image of a page or plain text, detected by its bytes."""

from pathlib import Path

from batcher.core.request.attachment import PDF, PLAIN_TEXT, Attachment
from batcher.inputs.attachments.attached_file import BadAttachment, attached_bytes
from batcher.inputs.attachments.images import image_of

# A whole request may have 32 MB; base64 turns 3 bytes into 4.
MAX_BYTES = 24 * 2**20
_NOT_TEXT = (".pdf", ".jpg", ".jpeg", ".png", ".gif", ".webp")
_PDF_MARK_WITHIN = 1_024  # some programs write a few bytes before the mark "%PDF-"


def load_document(value: object, root: Path) -> Attachment:
    """Load a column's value as a document: a path inside ``root``, bytes, or a struct of both.

    Bytes that begin neither as a PDF nor as an image have to be text in UTF-8.
    Raises ``BadAttachment`` for any other value, and for a document larger than the API accepts.
    """
    data = attached_bytes(value, root, kind="document", max_bytes=MAX_BYTES)
    start = data[:_PDF_MARK_WITHIN].find(b"%PDF-")
    if start >= 0:
        return Attachment(PDF, data[start:])
    image = image_of(data)
    if image is not None:
        return image
    path = value.get("path") if isinstance(value, dict) else value
    if isinstance(path, str) and path.lower().endswith(_NOT_TEXT):
        raise BadAttachment(
            f"the document ends in {Path(path).suffix}, but is neither a PDF nor an image"
        )
    return _plain_text(data)


def load_text(value: object) -> Attachment:
    """Make a document of a column's text; raises ``BadAttachment`` for any other value."""
    if not isinstance(value, str):
        kind = "null" if value is None else f"a {type(value).__name__}"
        raise BadAttachment(f"the document must be text, but is {kind}")
    try:
        return _plain_text(value.encode())
    except UnicodeEncodeError:
        reason = "the document has half a surrogate pair (an incomplete character)"
        raise BadAttachment(reason) from None


def _plain_text(data: bytes) -> Attachment:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadAttachment("the document is not a PDF, an image or UTF-8 text") from None
    if "\0" in text:
        raise BadAttachment("the document is not a PDF, an image or text: it has a NUL character")
    if not text.strip():
        raise BadAttachment("the document is empty")
    return Attachment(PLAIN_TEXT, text.encode())
