"""How many tokens a text has, as far as its characters tell: there is no public tokenizer.

Anthropic publishes 3.4 characters a token for the models up to Claude 4.6 and 2.5 for those since
(documentation of August and October 2026), and nothing about other scripts than the usual mixture.
How the classes of characters compare was measured with the one tokenizer that was ever published
(of Claude 2, in the Python SDK up to 0.38) and five of other makers, on texts in a hundred
languages, code and data (docs/tokens.md; benchmarks/tokens.py repeats it). The later ones treat
other scripts better than Claude 2's, so only ASCII is scaled up to the published figures in full.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CharacterClass:
    """Characters that are counted alike: those whose UTF-8 begins with one of ``firsts``.

    ``tokens`` is tokens a character before scaling, ``mark`` the byte that stands for them in
    ``marked_classes``.
    """

    name: str
    mark: bytes
    firsts: bytes
    tokens: float


_NO_LETTERS = b"0123456789\t\n\r" + bytes(b for b in range(0x21, 0x7F) if not chr(b).isalnum())

CLASSES = (
    # Letters and spaces as in English prose.
    CharacterClass(
        "letters", b"a", bytes(b for b in range(0x80) if b not in _NO_LETTERS), 1 / 4.45
    ),
    # Between the tokenizers that take three digits together and those that take each alone.
    CharacterClass("digits", b"d", _NO_LETTERS[:10], 0.7),
    CharacterClass("punctuation", b"p", _NO_LETTERS[13:], 0.6),
    CharacterClass("line ends", b"n", _NO_LETTERS[10:13], 0.35),
    # These also tell that it is no English.
    CharacterClass("Latin beyond ASCII", b"L", bytes(range(0xC2, 0xCE)), 2.5),
    CharacterClass("Greek", b"G", bytes((0xCE, 0xCF)), 1.3),
    CharacterClass("Cyrillic", b"C", bytes(range(0xD0, 0xD4)), 0.65),
    CharacterClass("Armenian, Hebrew", b"H", bytes(range(0xD4, 0xD8)), 1.3),
    CharacterClass("Arabic and its kin", b"A", bytes(range(0xD8, 0xE0)), 1.1),
    CharacterClass("India, Thai, Lao", b"I", bytes((0xE0,)), 1.9),
    CharacterClass("Georgian, Ethiopic, Khmer, Vietnamese", b"O", bytes((0xE1, 0xEE)), 2.0),
    CharacterClass("typographic", b"P", bytes((0xE2,)), 1.0),
    CharacterClass("kana", b"K", bytes((0xE3,)), 1.1),
    CharacterClass("ideographs", b"Z", bytes(range(0xE4, 0xEA)), 1.2),
    CharacterClass("Hangul", b"R", bytes(range(0xEA, 0xEE)), 1.45),
    CharacterClass("full width", b"F", bytes((0xEF,)), 1.0),
    CharacterClass("emoji", b"E", bytes(range(0xF0, 0xF8)), 2.5),
)
_ASCII_CLASSES = 4

_PROSE = 4.12  # characters a token of plain English, capitals and commas included, by these rates
_ASCII_SCALE = {"old": _PROSE / 3.4, "new": _PROSE / 2.5}
_OTHER_SCALE = {"old": 0.93, "new": 1.2}

SIGMA_ASCII = 0.25
SIGMA_OTHER = 0.4
"""How far a text as a whole may be off: one standard deviation of the logarithm. By the languages,
kinds of text and tokenizers measured: English prose against code, data and other languages in ASCII
letters, and language against language and tokenizer against tokenizer of one script."""


def _table() -> bytes:
    table = bytearray(b"-" * 256)  # bytes that continue a character
    for each in CLASSES:
        for byte in each.firsts:
            table[byte] = each.mark[0]
    return bytes(table)


_TABLE = _table()
_ASCII_RATES = tuple((each.mark, each.tokens) for each in CLASSES[:_ASCII_CLASSES])
_OTHER_RATES = tuple((each.mark, each.tokens) for each in CLASSES[_ASCII_CLASSES:])


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


def marked_classes(text: str) -> bytes:
    """A text's UTF-8 with each character's first byte replaced by the mark of its class."""
    return text.encode("utf-8", "surrogatepass").translate(_TABLE)


def text_tokens(text: str, tokenizer: str) -> TextTokens:
    """Estimate a text for the ``old`` tokenizer or the ``new`` one; 5 to 15 nanoseconds a byte."""
    marked = marked_classes(text)
    scale = tokenizer if tokenizer in _ASCII_SCALE else "new"
    plain = sum(marked.count(mark) * rate for mark, rate in _ASCII_RATES)
    other = 0.0
    if not text.isascii():
        other = sum(marked.count(mark) * rate for mark, rate in _OTHER_RATES)
    return TextTokens(plain * _ASCII_SCALE[scale], other * _OTHER_SCALE[scale])
