"""Estimates the tokens of a text from its characters, because there is no public tokenizer.

Anthropic publishes 3.4 characters per token for models up to Claude 4.6 and 2.5 for later models
(documentation of August and October 2026), for the usual mixture of text and without figures for
other scripts. The ratios between classes of characters were measured with the only tokenizer that
Anthropic published (Claude 2, in the Python SDK up to 0.38) and five of other companies, on texts
in a hundred languages, code and data (docs/tokens.md; benchmarks/tokens.py repeats it). Later
tokenizers need fewer tokens for other scripts than Claude 2's, so only ASCII is scaled fully to the
published figures.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CharacterClass:
    """Characters with the same estimate: those whose UTF-8 begins with one of ``firsts``.

    ``tokens`` is the number of tokens per character before scaling; ``mark`` is the byte for this
    class in ``marked_classes``.
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
    # Between tokenizers with three digits per token and tokenizers with one.
    CharacterClass("digits", b"d", _NO_LETTERS[:10], 0.7),
    CharacterClass("punctuation", b"p", _NO_LETTERS[13:], 0.6),
    CharacterClass("line ends", b"n", _NO_LETTERS[10:13], 0.35),
    # These also show that the text is not English.
    CharacterClass("Latin beyond ASCII", b"L", bytes(range(0xC2, 0xCE)), 2.5),
    CharacterClass("Greek", b"G", bytes((0xCE, 0xCF)), 1.3),
    CharacterClass("Cyrillic", b"C", bytes(range(0xD0, 0xD4)), 0.65),
    CharacterClass("Armenian, Hebrew", b"H", bytes(range(0xD4, 0xD8)), 1.3),
    CharacterClass("Arabic and related", b"A", bytes(range(0xD8, 0xE0)), 1.1),
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

_PROSE = 4.12  # characters per token of English prose, with capitals and commas, by these rates
_ASCII_SCALE = {"old": _PROSE / 3.4, "new": _PROSE / 2.5}
_OTHER_SCALE = {"old": 0.93, "new": 1.2}

SIGMA_ASCII = 0.25
SIGMA_OTHER = 0.4
"""The uncertainty of the estimate of a whole text: one standard deviation of its logarithm. It was
measured as the spread between kinds of text (English prose, code, data, other languages in ASCII
letters), between languages of the same script, and between tokenizers."""


def _table() -> bytes:
    table = bytearray(b"-" * 256)  # continuation bytes
    for characters in CLASSES:
        for byte in characters.firsts:
            table[byte] = characters.mark[0]
    return bytes(table)


_TABLE = _table()
(_A, _A_RATE), (_D, _D_RATE), (_P, _P_RATE), (_N, _N_RATE) = (
    (kind.mark, kind.tokens) for kind in CLASSES[:_ASCII_CLASSES]
)
_ASCII_MARKS = _A + _D + _P + _N + b"-"
_OTHER_RATES = {kind.mark[0]: kind.tokens for kind in CLASSES[_ASCII_CLASSES:]}
_OTHER_MARKS = bytes(_OTHER_RATES)


@dataclass(frozen=True, slots=True)
class TextTokens:
    """The estimated tokens of a text: of its ASCII characters, and of all others."""

    ascii: float = 0.0
    other: float = 0.0

    def __add__(self, more: "TextTokens") -> "TextTokens":
        return TextTokens(self.ascii + more.ascii, self.other + more.other)

    @property
    def total(self) -> float:
        """All tokens."""
        return self.ascii + self.other

    @property
    def sigma(self) -> float:
        """The uncertainty of the estimate: the standard deviation of its logarithm."""
        if not self.total:
            return 0.0
        return (self.ascii * SIGMA_ASCII + self.other * SIGMA_OTHER) / self.total


NO_TEXT = TextTokens()


def marked_classes(text: str) -> bytes:
    """Return a text's UTF-8 with the first byte of each character replaced by its class's mark."""
    return text.encode("utf-8", "surrogatepass").translate(_TABLE)


def text_tokens(text: str, tokenizer: str) -> TextTokens:
    """Estimate a text for the ``old`` or ``new`` tokenizer; takes 5 to 15 ns per byte."""
    return TextTokens(*text_token_pair(text, tokenizer))


def text_token_pair(text: str, tokenizer: str) -> tuple[float, float]:
    """Return the values of ``TextTokens`` for a text: for callers with many texts."""
    marked = text.encode("utf-8", "surrogatepass").translate(_TABLE)
    scale = tokenizer if tokenizer in _ASCII_SCALE else "new"
    count = marked.count
    plain = count(_A) * _A_RATE + count(_D) * _D_RATE + count(_P) * _P_RATE + count(_N) * _N_RATE
    other = 0.0
    if not text.isascii():
        left = marked.translate(None, _ASCII_MARKS)
        kinds = set(left)
        # Always in the order of the classes: a sum of floats depends on it.
        for mark in kinds if len(kinds) == 1 else sorted(kinds, key=_OTHER_MARKS.index):
            other += left.count(mark) * _OTHER_RATES[mark]
    return plain * _ASCII_SCALE[scale], other * _OTHER_SCALE[scale]
