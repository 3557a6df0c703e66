"""Documents of rows: PDFs, images and texts are detected by their bytes; others are refused."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from batcher.core.request.attachment import Attachment
from batcher.inputs.attachments.attached_file import BadAttachment
from batcher.inputs.attachments.documents import MAX_BYTES, load_document, load_text

PDF = b"%PDF-1.7\n1 0 obj<</Type /Page>>endobj"


@pytest.mark.parametrize(
    ("data", "media_type", "sent"),
    [
        (PDF, "application/pdf", PDF),
        (b"\n\n" + PDF, "application/pdf", PDF),
        (b"plain words", "text/plain", b"plain words"),
        (b"\xef\xbb\xbfwith a mark", "text/plain", b"with a mark"),
    ],
)
def test_the_bytes_decide_what_a_document_is(
    data: bytes, media_type: str, sent: bytes, tmp_path: Path
) -> None:
    """The file name does not matter, nor whether the bytes are in the column or in a file."""
    (tmp_path / "report.bin").write_bytes(data)
    for value in (data, "report.bin", {"bytes": data, "path": None}, {"path": "report.bin"}):
        assert load_document(value, tmp_path) == Attachment(media_type, sent)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "the document is missing (null)"),
        (b"", "the document is empty"),
        (b"  \n", "the document is empty"),
        (b"\x00\x01 secret", "not a PDF, an image or text: it has a NUL character"),
        (b"\xff\xfe secret", "not a PDF, an image or UTF-8 text"),
        ("../secret.pdf", "out of the input's folder"),
        ("https://secret.example/a.pdf", "is a URL, which is not fetched"),
        ("secret.pdf", "does not exist"),
        ("in.pdf", "the document ends in .pdf, but is neither a PDF nor an image"),
        (7, "must be a path, bytes, or a struct"),
        (b"a" * (MAX_BYTES + 1), "more than"),
    ],
)
def test_a_bad_document_has_a_reason(value: object, reason: str, tmp_path: Path) -> None:
    """The reason names the problem and quotes no content."""
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.pdf").write_bytes(PDF)
    (root / "in.pdf").write_text("<html>secret</html>")
    with pytest.raises(BadAttachment, match=r".") as caught:
        load_document(value, root)
    assert reason in str(caught.value)
    assert "secret" not in str(caught.value)


@given(st.text())
def test_a_text_is_sent_as_it_is(text: str) -> None:
    """A text becomes a document block unchanged, or is refused."""
    try:
        found = load_text(text)
    except BadAttachment:
        assert not text.strip("\ufeff").strip() or "\0" in text or not text.isprintable()
        return
    block = found.block()
    assert block["source"]["data"] == text.removeprefix("\ufeff")
    assert (block["type"], block["source"]["type"]) == ("document", "text")


@pytest.mark.parametrize("value", [None, 5, "", "  ", "\ud800"])
def test_a_value_that_is_not_text_is_refused(value: object) -> None:
    """A row without its text is a bad row; no request is made for it."""
    with pytest.raises(BadAttachment):
        load_text(value)


def test_a_scanned_page_is_sent_as_an_image(tmp_path: Path) -> None:
    """One folder may hold PDFs and scanned pages."""
    sink = io.BytesIO()
    Image.new("RGB", (30, 40)).save(sink, "PNG")
    found = load_document(sink.getvalue(), tmp_path)
    assert (found.media_type, found.block()["type"]) == ("image/png", "image")
