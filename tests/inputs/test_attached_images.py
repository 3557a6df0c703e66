"""Images of rows: their media type, their size, and files that are never read."""

import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from batcher.core.request.attachment import Attachment
from batcher.core.request.image_size import pixels
from batcher.inputs.attachments.attached_file import BadAttachment
from batcher.inputs.attachments.images import MAX_BASE64_BYTES, MAX_BYTES, load_image

SIZE = (300, 7)


def image_bytes(kind: str, size: tuple[int, int] = SIZE, **options: object) -> bytes:
    """Make an image with another library."""
    sink = io.BytesIO()
    Pillow.new("RGB", size, (200, 30, 90)).save(sink, kind, **options)  # type: ignore[arg-type]
    return sink.getvalue()


EXIF = Pillow.Exif()
EXIF[0x010E] = "description" * 500
IMAGES = {
    "png": (image_bytes("PNG"), "image/png"),
    "gif": (image_bytes("GIF"), "image/gif"),
    "jpeg": (image_bytes("JPEG"), "image/jpeg"),
    "progressive jpeg": (image_bytes("JPEG", progressive=True), "image/jpeg"),
    "jpeg with exif": (image_bytes("JPEG", exif=EXIF), "image/jpeg"),
    "webp": (image_bytes("WEBP"), "image/webp"),
    "lossless webp": (image_bytes("WEBP", lossless=True), "image/webp"),
    "extended webp": (image_bytes("WEBP", exif=EXIF), "image/webp"),
}


@pytest.mark.parametrize(("data", "media_type"), IMAGES.values(), ids=IMAGES.keys())
def test_the_bytes_decide_type_and_size(tmp_path: Path, data: bytes, media_type: str) -> None:
    """The file name does not matter, and the bytes are kept unchanged."""
    expected = Attachment(media_type, data)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/picture.txt").write_bytes(data)
    for value in (
        data,
        bytearray(data),
        "in/picture.txt",
        "./in/../in/picture.txt",
        {"bytes": data, "path": None},
        {"bytes": data, "path": "elsewhere.png"},
        {"bytes": None, "path": "in/picture.txt"},
        {"bytes": data},
    ):
        assert load_image(value, tmp_path) == expected
    assert pixels(data) == SIZE


@pytest.mark.parametrize("size", [(1, 1), (2, 8000), (8000, 1)])
@pytest.mark.parametrize("kind", ["PNG", "GIF", "JPEG", "WEBP"])
def test_extreme_sizes(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    """The largest and smallest sides are read correctly."""
    image = load_image(image_bytes(kind, size), tmp_path)
    assert pixels(image.data) == size


def test_jpeg_tables_before_the_frame(tmp_path: Path) -> None:
    """Tables, fill bytes and bare markers before the frame header are skipped."""
    data = image_bytes("JPEG")
    extra = b"\xff\xc4\x00\x0b" + bytes(range(9)) + b"\xff\xcc\x00\x04\x00\x01" + b"\xff\x01\xff"
    image = load_image(data[:2] + extra + data[2:], tmp_path)
    assert pixels(image.data) == SIZE


@pytest.mark.parametrize("data", [data for data, _ in IMAGES.values()], ids=IMAGES.keys())
def test_a_cut_image_has_its_size_or_none(tmp_path: Path, data: bytes) -> None:
    """An image cut at any byte has its size or no size, or is refused; no other error occurs."""
    for end in range(min(len(data), 400)):
        try:
            image = load_image(data[:end], tmp_path)
        except BadAttachment:
            continue
        assert pixels(image.data) in (SIZE, None)


BAD_VALUES = {
    "url": ("https://secret.example/a.png", "is a URL, which is not fetched"),
    "file url": ("file:///secret.png", "is a URL, which is not fetched"),
    "data uri": ("data:image/png;base64,secret", "is a URL, which is not fetched"),
    "absolute": ("/etc/secret.png", "must be relative"),
    "empty path": ("", "must be relative"),
    "outside": ("../secret.png", "out of the input's folder"),
    "outside through inside": ("in/../../secret.png", "out of the input's folder"),
    "link out": ("in/link-out.png", "out of the input's folder"),
    "link to folder out": ("in/folder-out/secret.png", "out of the input's folder"),
    "missing": ("in/secret.png", "does not exist"),
    "loop": ("in/loop.png", ""),
    "folder": ("in", ""),
    "pipe": ("in/pipe.png", "not a regular file"),
    "too long": ("secret" * 1000, "cannot be read"),
    "NUL": ("a\0secret", "not valid"),
    "surrogate": ("secret\ud800", ""),
    "below a file": ("in/text.png/secret", ""),
    "text": ("in/text.png", "the image is not a JPEG, PNG, GIF or WebP"),
    "no bytes": (b"", "the image is not a JPEG, PNG, GIF or WebP"),
    "pdf": (b"%PDF-1.7 secret", "the image is not a JPEG, PNG, GIF or WebP"),
    "svg": (b"<svg>secret</svg>", "the image is not a JPEG, PNG, GIF or WebP"),
    "bmp": (image_bytes("BMP"), "the image is not a JPEG, PNG, GIF or WebP"),
    "wav": (b"RIFF\0\0\0\0WAVEfmt ", "the image is not a JPEG, PNG, GIF or WebP"),
    "null": (None, "the image is missing (null)"),
    "too wide": (image_bytes("PNG", (8001, 1)), "longer side has 8,001 pixels"),
    "null struct": ({"bytes": None, "path": None}, "the image is missing (null)"),
    "other struct": ({"bytes": b"", "secret": 1}, "must be a path, bytes, or a struct"),
    "empty struct": ({}, "must be a path, bytes, or a struct"),
    "number": (7, "must be a path, bytes, or a struct"),
    "list": (["secret"], "must be a path, bytes, or a struct"),
}


@pytest.mark.parametrize(("value", "reason"), BAD_VALUES.values(), ids=BAD_VALUES.keys())
def test_a_bad_image_has_a_reason(tmp_path: Path, value: object, reason: str) -> None:
    """A value that is no image inside the root is refused; the reason quotes no content."""
    root = tmp_path / "root"
    (root / "in").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(image_bytes("PNG"))
    (root / "in/link-out.png").symlink_to(tmp_path / "secret.png")
    (root / "in/folder-out").symlink_to(tmp_path)
    (root / "in/loop.png").symlink_to("loop.png")
    (root / "in/text.png").write_text("secret")
    os.mkfifo(root / "in/pipe.png")
    with pytest.raises(BadAttachment) as caught:
        load_image(value, root)
    assert reason in str(caught.value)
    assert "secret" not in str(caught.value)


def test_links_inside_the_root_are_followed(tmp_path: Path) -> None:
    """A link to a file inside the root is followed; the root itself may be a link."""
    (tmp_path / "root").mkdir()
    (tmp_path / "root/a.png").write_bytes(image_bytes("PNG"))
    (tmp_path / "root/b.png").symlink_to("a.png")
    (tmp_path / "alias").symlink_to("root")
    for root in ("root", "alias"):
        assert load_image("b.png", tmp_path / root).media_type == "image/png"


@pytest.mark.parametrize("is_file", [True, False])
def test_largest_image(tmp_path: Path, is_file: bool) -> None:
    """Exactly 10 MB of base64 is accepted, and one byte more is refused."""
    assert 4 * -(-MAX_BYTES // 3) == MAX_BASE64_BYTES
    png = image_bytes("PNG")
    data = png + b"\0" * (MAX_BYTES - len(png))
    (tmp_path / "a.png").write_bytes(data)
    (tmp_path / "b.png").write_bytes(data + b"\0")
    assert len(load_image("a.png" if is_file else data, tmp_path).data) == MAX_BYTES
    with pytest.raises(BadAttachment, match="more than 7,864,320 bytes"):
        load_image("b.png" if is_file else data + b"\0", tmp_path)


@given(
    data=st.sampled_from([data[:40] for data, _ in IMAGES.values()]).flatmap(
        lambda head: st.integers(0, 40).flatmap(
            lambda end: st.binary(max_size=60).map(lambda tail: head[:end] + tail)
        )
    )
)
@settings(max_examples=300, deadline=None)
def test_malformed_headers_are_refused_or_have_a_size(data: bytes) -> None:
    """Any bytes after a good beginning are an image of at least one pixel, or are refused."""
    try:
        image = load_image(data, Path())
    except BadAttachment:
        return
    size = pixels(image.data)
    assert size is None or min(size) >= 1
