"""Estimated tokens follow what is published, grow with the text, and are exact for images."""

import base64
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from batcher.core.estimate.tokens import NO_TEXT, text_tokens
from batcher.core.request.image_size import image_tokens, tokens_of_source
from batcher.simulator.billing.images import image_tokens as simulated_tokens

PROSE = "The package provides a small command line tool that lists what is installed. " * 20

# The examples of the API's documentation: pixels, tokens in the standard and in the high tier.
DOCUMENTED = [
    (200, 200, 64, 64),
    (1000, 1000, 1296, 1296),
    (1092, 1092, 1521, 1521),
    (1920, 1080, 1560, 2691),
    (2000, 1500, 1564, 3888),
    (3840, 2160, 1560, 4784),
]


@pytest.mark.parametrize(("tokenizer", "published"), [("old", 3.4), ("new", 2.5)])
def test_english_prose_has_the_published_characters_a_token(
    tokenizer: str, published: float
) -> None:
    """Within 5 %; a tokenizer nobody knows counts as the new one."""
    estimated = len(PROSE) / text_tokens(PROSE, tokenizer).total
    assert estimated == pytest.approx(published, rel=0.05)
    assert text_tokens(PROSE, "?") == text_tokens(PROSE, "new")


@given(st.text(), st.text(), st.sampled_from(["old", "new"]))
def test_texts_add_up(one: str, other: str, tokenizer: str) -> None:
    """Two texts have as many tokens as both together; nothing has none."""
    both = text_tokens(one + other, tokenizer).total
    apart = text_tokens(one, tokenizer) + text_tokens(other, tokenizer)
    assert both == pytest.approx(apart.total)
    assert text_tokens("", tokenizer) == NO_TEXT
    assert (both > 0) is bool(one + other)


def test_other_scripts_are_less_certain() -> None:
    """The interval of a text is wider when its letters are not ASCII."""
    assert text_tokens("привет", "new").sigma > text_tokens("hello", "new").sigma > 0
    assert NO_TEXT.sigma == 0


@pytest.mark.parametrize(("width", "height", "standard", "high"), DOCUMENTED)
def test_images_cost_what_is_documented(width: int, height: int, standard: int, high: int) -> None:
    """The documentation's own examples, to the token."""
    assert image_tokens(width, height, "standard") == standard
    assert image_tokens(width, height, "high") == high


@given(st.integers(1, 8_000), st.integers(1, 8_000), st.sampled_from(["standard", "high"]))
def test_images_cost_what_the_simulator_bills(width: int, height: int, tier: str) -> None:
    """Two programs that share no code agree on every size."""
    assert image_tokens(width, height, tier) == simulated_tokens(width, height, tier)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP"])
@pytest.mark.parametrize("size", [(3, 7), (640, 480), (1, 2000)])
def test_the_size_of_an_image_is_read(form: str, size: tuple[int, int]) -> None:
    """Of each format that the API takes, as an image library writes it."""
    file = io.BytesIO()
    Image.new("RGB", size, "white").save(file, form)
    data = base64.b64encode(file.getvalue()).decode()
    source = {"type": "base64", "media_type": f"image/{form.lower()}", "data": data}
    assert tokens_of_source(source, "high") == image_tokens(*size, "high")


@pytest.mark.parametrize(
    "source", [{"type": "url"}, {"type": "base64", "data": "AAAA"}, {"type": "base64"}, None]
)
def test_an_unreadable_size_is_not_guessed(source: object) -> None:
    """What cannot be told from the request is None, never a number."""
    assert tokens_of_source(source, "high") is None
