"""How many tokens a text has, as far as its characters tell: there is no public tokenizer.

Anthropic publishes 3.4 characters a token for the models up to Claude 4.6 and 2.5 for those since
(documentation of August and October 2026), and nothing about other scripts than the usual mixture.
How the classes of characters compare was measured with the one tokenizer that was ever published
(of Claude 2, in the Python SDK up to 0.38) on installation guides in 20 languages, names in 20
more, code and data; see docs/estimating.md. Later tokenizers treat other scripts better than that
one, so only ASCII is scaled up to the published figures in full.
"""

from dataclasses import dataclass

# Tokens a character, by the first byte of its UTF-8.
_CLASSES: tuple[tuple[bytes, bytes, float], ...] = (
    # name, first bytes, tokens a character
    (b"d", b"0123456789", 0.44),
    (b"p", bytes(b for b in range(0x21, 0x7F) if not chr(b).isalnum()), 0.55),
    (b"n", b"\t\n\r", 0.35),
    (b"L", bytes(range(0xC2, 0xCE)), 2.5),  # beyond ASCII: also tells that it is no English
    (b"G", bytes((0xCE, 0xCF)), 1.3),  # Greek
    (b"C", bytes(range(0xD0, 0xD4)), 0.65),  # Cyrillic
    (b"H", bytes(range(0xD4, 0xD8)), 1.3),  # Armenian, Hebrew
    (b"A", bytes(range(0xD8, 0xE0)), 1.1),  # Arabic and its kin
    (b"I", bytes((0xE0,)), 1.9),  # India, Thai, Lao
    (b"O", bytes((0xE1, 0xEE)), 2.0),  # Georgian, Ethiopic, Khmer, Vietnamese
    (b"P", bytes((0xE2,)), 1.0),  # typographic punctuation, symbols
    (b"K", bytes((0xE3,)), 1.1),  # kana
    (b"Z", bytes(range(0xE4, 0xEA)), 1.2),  # ideographs
    (b"R", bytes(range(0xEA, 0xEE)), 1.45),  # Hangul
    (b"F", bytes((0xEF,)), 1.0),  # full width
    (b"E", bytes(range(0xF0, 0xF8)), 2.5),  # emoji
)
_LETTER = 1 / 4.45  # ASCII letters and spaces of English prose
_REST = bytes(range(0x80, 0xC2)) + bytes(range(0xF8, 0x100))  # no first bytes

_ASCII = {"old": 4.45 / 3.4, "new": 4.45 / 2.5}
_OTHER = {"old": 1.0, "new": 1.3}
_ASCII_CLASSES = 3

SIGMA_ASCII = 0.2
SIGMA_OTHER = 0.35
"""How far a text as a whole may be off: one standard deviation of the logarithm. By the languages
and kinds of text measured: English prose against code, data and other languages in ASCII letters,
and language against language of one script."""


def _table() -> bytes:
    table = bytearray(b"a" * 256)
    table[0x80:] = b"-" * 128
    for name, firsts, _ in _CLASSES:
        for byte in firsts:
            table[byte] = name[0]
    for byte in _REST:
        table[byte] = ord("-")
    return bytes(table)


_TABLE = _table()


@dataclass(frozen=True, slots=True)
class TextTokens:
    """Estimated tokens of some text: of its ASCII characters, and of all others."""

    ascii: float = 0.0
    other: float = 0.0

    def __add__(self, more: "TextTokens") -> "TextTokens":
        return TextTokens(self.ascii + more.ascii, self.other + more.other)

    @property
    def total(self) -> float:
        """All of them."""
        return self.ascii + self.other

    @property
    def sigma(self) -> float:
        """How far the estimate may be off: the standard deviation of its logarithm."""
        if not self.total:
            return 0.0
        return (self.ascii * SIGMA_ASCII + self.other * SIGMA_OTHER) / self.total


NO_TEXT = TextTokens()


def text_tokens(text: str, tokenizer: str) -> TextTokens:
    """Estimate a text for the ``old`` tokenizer or the ``new`` one; a few nanoseconds a byte."""
    raw = text.encode("utf-8", "surrogatepass")
    classes = raw.translate(_TABLE)
    plain = classes.count(b"a") * _LETTER
    plain += sum(classes.count(name) * rate for name, _, rate in _CLASSES[:_ASCII_CLASSES])
    other = 0.0
    if not raw.isascii():
        other = sum(classes.count(name) * rate for name, _, rate in _CLASSES[_ASCII_CLASSES:])
    scale = tokenizer if tokenizer in _ASCII else "new"
    return TextTokens(plain * _ASCII[scale], other * _OTHER[scale])
