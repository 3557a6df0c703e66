"""An attachment that is sent before the prompt: an image, a PDF or a plain-text document."""

import base64
from dataclasses import dataclass, field
from typing import Any

PDF = "application/pdf"
PLAIN_TEXT = "text/plain"


@dataclass(frozen=True, slots=True)
class Attachment:
    """Bytes and their media type: ``image/...``, ``PDF``, or ``PLAIN_TEXT`` in UTF-8."""

    media_type: str
    data: bytes = field(repr=False)

    def block(self) -> dict[str, Any]:
        """Return the content block."""
        if self.media_type == PLAIN_TEXT:
            text = self.data.decode("utf-8")
            source = {"type": "text", "media_type": PLAIN_TEXT, "data": text}
        else:
            data = base64.b64encode(self.data).decode("ascii")
            source = {"type": "base64", "media_type": self.media_type, "data": data}
        kind = "image" if self.media_type.startswith("image/") else "document"
        return {"type": kind, "source": source}
