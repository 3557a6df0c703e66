"""Token estimates follow the published figures, add up, and are exact for images."""

import base64
import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from batcher.core.estimate.tokens import CLASSES, NO_TEXT, text_tokens
from batcher.core.request.image_size import image_tokens, pixels, tokens_of_source
from batcher.simulator.billing.images import image_tokens as simulated_tokens

PROSE = """\
This guide is for people who install the system for the first time, and for those who have done
it before but want to know what is new in this release. It tells you how to start the installer
(from a disc, a USB stick or the network), what it asks, and what to do when something goes wrong.
Chapter 3 says what to do beforehand: make a copy of your data, find out which hardware you have,
and check that at least 780 MB of memory are free. If you know all that, go on to chapter 4.
"""

# Examples of the API documentation: width, height, tokens in the standard and the high tier.
DOCUMENTED = [
    (200, 200, 64, 64),
    (1000, 1000, 1296, 1296),
    (1092, 1092, 1521, 1521),
    (1920, 1080, 1560, 2691),
    (2000, 1500, 1564, 3888),
    (3840, 2160, 1560, 4784),
]


@pytest.mark.parametrize(("tokenizer", "published"), [("old", 3.4), ("new", 2.5)])
def test_english_prose_has_the_published_characters_per_token(
    tokenizer: str, published: float
) -> None:
    """Within 5 %; an unknown tokenizer counts as the new one."""
    estimated = len(PROSE) / text_tokens(PROSE, tokenizer).total
    assert estimated == pytest.approx(published, rel=0.05)
    assert text_tokens(PROSE, "?") == text_tokens(PROSE, "new")


@given(st.text(), st.text(), st.sampled_from(["old", "new"]))
def test_texts_add_up(first: str, second: str, tokenizer: str) -> None:
    """Two texts have as many tokens as their concatenation; an empty text has none."""
    both = text_tokens(first + second, tokenizer).total
    separate = text_tokens(first, tokenizer) + text_tokens(second, tokenizer)
    assert both == pytest.approx(separate.total)
    assert text_tokens("", tokenizer) == NO_TEXT
    assert (both > 0) is bool(first + second)


def test_every_character_has_one_class() -> None:
    """Each first byte of UTF-8 belongs to exactly one class, no other byte to any."""
    firsts = sorted(b"".join(each.firsts for each in CLASSES))
    assert firsts == [*range(0x80), *range(0xC2, 0xF8)]
    assert len({each.mark for each in CLASSES}) == len(CLASSES)
    assert not {each.mark for each in CLASSES} & {b"-"}


def test_numbers_take_more_tokens_than_words() -> None:
    """About three times as many per character, as in every measured tokenizer."""
    words, numbers = text_tokens("abcdefghij" * 9, "new"), text_tokens("0123456789" * 9, "new")
    assert 2 < numbers.total / words.total < 4


def test_other_scripts_are_less_certain() -> None:
    """The interval of a text is wider when its letters are not ASCII."""
    assert text_tokens("привет", "new").sigma > text_tokens("hello", "new").sigma > 0
    assert NO_TEXT.sigma == 0


@pytest.mark.parametrize(("width", "height", "standard", "high"), DOCUMENTED)
def test_images_count_as_documented(width: int, height: int, standard: int, high: int) -> None:
    """The examples of the documentation, to the token."""
    assert image_tokens(width, height, "standard") == standard
    assert image_tokens(width, height, "high") == high


@given(st.integers(1, 8_000), st.integers(1, 8_000), st.sampled_from(["standard", "high"]))
def test_images_count_as_in_the_simulator(width: int, height: int, tier: str) -> None:
    """Two implementations without shared code agree on every size."""
    assert image_tokens(width, height, tier) == simulated_tokens(width, height, tier)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "GIF", "WEBP"])
@pytest.mark.parametrize("size", [(3, 7), (640, 480), (1, 2000)])
def test_the_size_of_an_image_is_read(image_format: str, size: tuple[int, int]) -> None:
    """For each format that the API accepts, as an image library writes it."""
    file = io.BytesIO()
    Image.new("RGB", size, "white").save(file, image_format)
    data = base64.b64encode(file.getvalue()).decode()
    source = {"type": "base64", "media_type": f"image/{image_format.lower()}", "data": data}
    assert tokens_of_source(source, "high") == image_tokens(*size, "high")


def test_padding_before_a_jpeg_frame_is_skipped() -> None:
    """Fill bytes between the segments of a JPEG are legal and do not contain its size."""
    frame = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 100, 300)
    head = b"\xff\xd8" + b"\xff\xe0\x00\x04ab" + b"\xff\xff" + frame
    assert pixels(head) == (300, 100)
    assert pixels(b"\xff\xd8" + b"\xff" * 20) is None


def test_a_png_without_its_header_first_has_no_size() -> None:
    """Another first chunk has other numbers in the place of the size."""
    assert pixels(b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 4, b"CgBI", 1, 1)) is None


@pytest.mark.parametrize(
    "source", [{"type": "url"}, {"type": "base64", "data": "AAAA"}, {"type": "base64"}, None]
)
def test_an_unreadable_size_is_not_guessed(source: object) -> None:
    """A size that the request does not contain is None, never a number."""
    assert tokens_of_source(source, "high") is None


def test_the_size_of_a_photo_is_found_after_its_previews() -> None:
    """Half a megabyte of previews is skipped."""
    sink = io.BytesIO()
    Image.new("RGB", (640, 480)).save(sink, "JPEG")
    plain = sink.getvalue()
    segment = b"\xff\xe1" + (60_000).to_bytes(2, "big") + bytes(59_998)
    data = plain[:2] + segment * 8 + plain[2:]
    source = {"type": "base64", "data": base64.b64encode(data).decode()}
    assert tokens_of_source(source, "high") == image_tokens(640, 480, "high")
