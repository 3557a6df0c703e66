"""The width of text on a terminal, in cells, and text that is cut to a width."""

import unicodedata

from batcher.cli.messages import printable

ELLIPSIS = "…"
_MARKS = ("Mn", "Me")
_MAX_MARKS = 3
_SHOWN = {"\n": "↵", "\r": "↵", "\t": " ", "\u2028": "↵", "\u2029": "↵"}
_JAMO = range(0x1160, 0x1200)


def width_of(text: str) -> int:
    """Return how many cells a terminal needs for a text of one line."""
    return sum(map(_cells, text))


def one_line(text: str, width: int) -> str:
    """Return a text as one line of at most ``width`` cells; an ellipsis stands for the rest.

    Characters that a terminal obeys are replaced, and line breaks are shown.
    """
    kept, used, marks = list[str](), 0, 0
    for character in text:
        cells = _cells(character)
        marks = 0 if cells else marks + 1
        if marks > _MAX_MARKS:
            continue
        if used + cells > width:
            return _ended(kept, width)
        kept.append(_SHOWN.get(character) or printable(character))
        used += cells
    return "".join(kept)


def _ended(kept: list[str], width: int) -> str:
    """Make room for the ellipsis at the end."""
    while kept and width_of("".join(kept)) >= width:
        kept.pop()
    return "".join(kept) + ELLIPSIS


def _cells(character: str) -> int:
    """Return the cells of a character; what is shown instead of a control character has one."""
    if unicodedata.category(character) in _MARKS or ord(character) in _JAMO:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
